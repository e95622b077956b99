"""PIN lockout: wrong PINs are counted across calls, and lock the mailbox.

By mailbox: five wrong PINs in a row lock it for a minute, each further one for twice as long, up to an hour. By caller
and by endpoint: 20 an hour, whatever the mailboxes. An attempt is registered before the PIN is verified, so that many
at the same moment get no more tries than one after another.
"""

from __future__ import annotations

from dataclasses import dataclass

from ivr.clock import Clock
from ivr.directory.rate_limit import HourlyLimit
from ivr.storage.protocols import AttemptTransaction, AuthAttemptStore
from ivr.storage.records import AttemptCounter, AttemptKey

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
