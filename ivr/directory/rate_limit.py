"""Limits on guessing: PIN lockout and the hourly limit."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ivr.clock import Clock
from ivr.errors import RateLimited
from ivr.storage.protocols import AttemptTransaction, AuthAttemptStore
from ivr.storage.records import AttemptCounter, AttemptKey

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
    """Limits wrong tokens and credentials by the address that they come from."""

    def __init__(self, store: AuthAttemptStore, clock: Clock, attempts_per_hour: int = ATTEMPTS_PER_HOUR) -> None:
        self._store = store
        self._clock = clock
        self.limit = HourlyLimit(attempts_per_hour)

    async def register_attempt(self, address: str) -> None:
        """Count one failure in advance. Raises `RateLimited` if the limit is reached."""
        now, key = int(self._clock.now()), _address_key(address)
        if self.limit.is_reached(await self._store.counter(key), now):  # Costs no write.
            raise _rate_limited_error()
        if not await self._store.transact(lambda transaction: self.limit.register(transaction, key, now)):
            raise _rate_limited_error()

    async def withdraw_attempt(self, address: str) -> None:
        """Take one failure back: the token or the credentials were right."""
        await self._store.transact(lambda transaction: self.limit.withdraw(transaction, _address_key(address)))


def _is_current(counter: AttemptCounter, now: int) -> bool:
    return counter.failure_count > 0 and now - counter.window_started_at < HOUR_S


def _address_key(address: str) -> AttemptKey:
    return AttemptKey(scope="address", subject=address)


def _rate_limited_error() -> RateLimited:
    return RateLimited("too many wrong tokens or credentials came from your address: wait an hour")


MAX_CONSECUTIVE_FAILURES = 5
FIRST_LOCK_S = 60
MAX_LOCK_S = 3600


@dataclass(frozen=True, slots=True)
class PinAttempt:
    """Who tries which mailbox; None for a mailbox that does not exist, and for what is unknown of the caller."""

    account_id: str
    box_id: str | None
    caller_number: str | None
    endpoint: str | None


class PinLockout:
    """Counts wrong PINs and decides whether a mailbox, a caller or an endpoint is locked."""

    def __init__(self, store: AuthAttemptStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._hourly_limit = HourlyLimit()

    async def register_attempt(self, attempt: PinAttempt) -> bool:
        """Count one wrong PIN in advance; return False while a lock holds, which refuses even a right PIN."""
        now = int(self._clock.now())

        def register(transaction: AttemptTransaction) -> bool:
            is_open = attempt.box_id is None or _register_box_attempt(
                transaction, attempt.account_id, attempt.box_id, now
            )
            within_limits = [self._hourly_limit.register(transaction, key, now) for key in _caller_keys(attempt)]
            return is_open and all(within_limits)

        return await self._store.transact(register)

    async def clear_on_success(self, attempt: PinAttempt) -> None:
        """Reset the mailbox after a right PIN, and withdraw the attempt of the caller and of the endpoint."""

        def clear(transaction: AttemptTransaction) -> None:
            if attempt.box_id is not None:
                transaction.delete_counter(_box_key(attempt.account_id, attempt.box_id))
            for key in _caller_keys(attempt):
                self._hourly_limit.withdraw(transaction, key)

        await self._store.transact(clear)

    async def reset(self, account_id: str, box_id: str) -> None:
        """Unlock a mailbox, as an administrator does."""
        await self._store.transact(lambda transaction: transaction.delete_counter(_box_key(account_id, box_id)))

    async def locked_until(self, account_id: str, box_id: str) -> int:
        """Return the end of the lock in Unix seconds; 0 if the mailbox is not locked."""
        counter = await self._store.counter(_box_key(account_id, box_id))
        return counter.locked_until if counter.locked_until > self._clock.now() else 0


def lock_duration_s(lock_count: int) -> int:
    """Return how long the `lock_count`-th lock in a row lasts, in seconds: 60, 120, … 3600."""
    return MAX_LOCK_S if lock_count > 12 else min(FIRST_LOCK_S << (lock_count - 1), MAX_LOCK_S)


def _register_box_attempt(transaction: AttemptTransaction, account_id: str, box_id: str, now: int) -> bool:
    key = _box_key(account_id, box_id)
    counter = transaction.counter(key)
    if counter.locked_until > now:
        return False  # Not counted: attempts on a locked mailbox must not keep its owner out for ever.
    failure_count, lock_count, locked_until = counter.failure_count + 1, counter.lock_count, 0
    if failure_count >= MAX_CONSECUTIVE_FAILURES:
        lock_count += 1
        locked_until = now + lock_duration_s(lock_count)
        transaction.enqueue_box_locked(account_id, box_id)
    transaction.set_counter(key, AttemptCounter(failure_count, now, lock_count, locked_until))
    return True


def _box_key(account_id: str, box_id: str) -> AttemptKey:
    return AttemptKey(scope="box", subject=box_id, account_id=account_id)


def _caller_keys(attempt: PinAttempt) -> list[AttemptKey]:
    subjects = {"caller": attempt.caller_number, "endpoint": attempt.endpoint}
    return [AttemptKey(scope=scope, subject=subject) for scope, subject in subjects.items() if subject]
