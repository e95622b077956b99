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
        """Count one failure in advance; return False, without counting, if the limit is reached."""
        counter = transaction.counter(key)
        if self.is_reached(counter, now):
            return False
        if not _is_current(counter, now):
            counter = AttemptCounter(window_started_at=now)
        transaction.set_counter(key, replace(counter, failure_count=counter.failure_count + 1))
        return True

    def withdraw(self, transaction: AttemptTransaction, key: AttemptKey) -> None:
        """Take one failure back: the attempt was right."""
        counter = transaction.counter(key)
        if counter.failure_count:
            transaction.set_counter(key, replace(counter, failure_count=counter.failure_count - 1))


class RateLimiter:
    """Limits wrong tokens or credentials by the network that they come from (see `client_network`).

    `scope` names what is counted, so that wrong tokens do not stop people who sign in.
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

    async def register_attempt(self, address: str) -> None:
        """Count one failure in advance. Raises `RateLimited` if the limit is reached."""
        now, key = int(self._clock.now()), self._key(address)
        if self.limit.is_reached(await self._store.counter(key), now):  # Costs no write.
            raise _rate_limited_error()
        if not await self._store.transact(lambda transaction: self.limit.register(transaction, key, now)):
            raise _rate_limited_error()

    async def withdraw_attempt(self, address: str) -> None:
        """Take one failure back: the token or the credentials were right."""
        await self._store.transact(lambda transaction: self.limit.withdraw(transaction, self._key(address)))

    def _key(self, address: str) -> AttemptKey:
        return AttemptKey(scope=self._scope, subject=client_network(address))


def _is_current(counter: AttemptCounter, now: int) -> bool:
    return counter.failure_count > 0 and now - counter.window_started_at < HOUR_S


def _rate_limited_error() -> RateLimited:
    return RateLimited("too many wrong tokens or credentials came from your address: wait an hour")
