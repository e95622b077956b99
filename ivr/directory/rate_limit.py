"""The hourly limit on wrong tokens and credentials."""

from __future__ import annotations

from dataclasses import replace

from ivr.clock import Clock
from ivr.errors import RateLimited
from ivr.storage.protocols import AttemptTransaction, AuthAttemptStore
from ivr.storage.records import AttemptCounter, AttemptKey
from ivr.validation.networks import client_network

ATTEMPTS_PER_HOUR = 20
HOUR_S = 3600


class HourlyLimit:
    """At most `attempts_per_hour` failed attempts within an hour, which begins with the first of them."""

    def __init__(self, attempts_per_hour: int = ATTEMPTS_PER_HOUR) -> None:
        self._attempts_per_hour = attempts_per_hour

    def is_reached(self, counter: AttemptCounter, now: int) -> bool:
        """Return whether a further attempt at `now` (Unix s) has to be refused."""
        return _is_current(counter, now) and counter.failure_count >= self._attempts_per_hour

    def register(self, transaction: AttemptTransaction, key: AttemptKey, now: int) -> bool:
        """Count one failure; return False, without counting, if the limit is reached."""
        counter = transaction.counter(key)
        if self.is_reached(counter, now):
            return False
        if not _is_current(counter, now):
            counter = AttemptCounter(window_started_at=now)
        transaction.set_counter(key, replace(counter, failure_count=counter.failure_count + 1))
        return True


class RateLimiter:
    """Limits wrong tokens or credentials by the network that they come from (see `client_network`).

    Only what is known to be wrong counts: many people who sign in at the same moment behind one address do not stop
    each other. `scope` names what is counted, so that wrong tokens do not stop people who sign in.
    """

    def __init__(
        self,
        store: AuthAttemptStore,
        clock: Clock,
        attempts_per_hour: int = ATTEMPTS_PER_HOUR,
        *,
        scope: str = "address",
    ) -> None:
        self._store = store
        self._clock = clock
        self._scope = scope
        self.limit = HourlyLimit(attempts_per_hour)

    async def require_attempt(self, address: str) -> None:
        """Raise `RateLimited` if the limit is reached, before anything is compared. Nothing is counted."""
        if self.limit.is_reached(await self._store.counter(self._key(address)), int(self._clock.now())):
            raise _rate_limited_error()

    async def settle(self, address: str, *, is_right: bool) -> None:
        """Count an attempt if it is wrong. Raises `RateLimited` if the limit was reached while it was compared.

        So attempts at the same moment reveal no more than attempts one after another.
        """
        now, key = int(self._clock.now()), self._key(address)
        if is_right:
            await self.require_attempt(address)
        elif not await self._store.transact(lambda transaction: self.limit.register(transaction, key, now)):
            raise _rate_limited_error()

    def _key(self, address: str) -> AttemptKey:
        return AttemptKey(scope=self._scope, subject=client_network(address))


def _is_current(counter: AttemptCounter, now: int) -> bool:
    return counter.failure_count > 0 and is_within_hour(counter, now)


def is_within_hour(counter: AttemptCounter, now: int) -> bool:
    """Return whether the hour of a counter lasts. One that begins later is that of a clock that was set back."""
    return 0 <= now - counter.window_started_at < HOUR_S


def _rate_limited_error() -> RateLimited:
    return RateLimited("too many wrong tokens or credentials came from your address: wait an hour")
