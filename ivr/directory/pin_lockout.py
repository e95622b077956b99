"""PIN lockout: how many wrong PINs a mailbox, a phone, a caller and an account may see.

A wrong PIN is counted when it is known to be wrong, and a locked attempt is not counted at all: neither a right PIN nor
a caller who is refused anyway can lock anything. No lock lasts longer than `MAX_LOCK_S`, also where the clock is set
back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ivr.clock import Clock
from ivr.directory.rate_limit import is_within_hour
from ivr.storage.protocols import AttemptTransaction, AuthAttemptStore
from ivr.storage.records import AttemptCounter, AttemptKey

MAX_CONSECUTIVE_FAILURES = 5
FIRST_LOCK_S = 60
MAX_LOCK_S = 900
CALLER_FAILURES_PER_HOUR = 20
ACCOUNT_FAILURES_PER_HOUR = 100


@dataclass(frozen=True, slots=True)
class PinAttempt:
    """Who tries which mailbox."""

    account_id: str
    box_id: str | None
    """None: the mailbox does not exist."""
    source: str
    """The phone, or the trunk and the caller's number."""
    own_phone: bool = False
    """`source` is a phone of the mailbox's owner."""


class PinVerdict(StrEnum):
    """What an attempt leads to."""

    ACCEPTED = "accepted"
    WRONG = "wrong"
    LOCKED = "locked"
    """Refused without a word about the PIN."""


class PinLockout:
    """Counts wrong PINs and decides whether a result may be told.

    A phone of the owner has a counter of its own, so strangers cannot lock it, and it cannot lock others. All other
    attempts are counted for the mailbox, for the caller, and for the account, whose budget is
    `account_failures_per_hour`.
    """

    def __init__(
        self,
        store: AuthAttemptStore,
        clock: Clock,
        *,
        account_failures_per_hour: int = ACCOUNT_FAILURES_PER_HOUR,
    ) -> None:
        self._store = store
        self._clock = clock
        self._account_failures_per_hour = account_failures_per_hour

    async def settle(self, attempt: PinAttempt, *, matches: bool) -> PinVerdict:
        """Decide in one transaction what an attempt leads to, and count it if the PIN is wrong."""
        now = int(self._clock.now())

        def decide(transaction: AttemptTransaction) -> PinVerdict:
            if any(_is_locked(transaction.counter(key).locked_until, now) for key in _keys(attempt)):
                return PinVerdict.LOCKED
            if not matches:
                self._count(transaction, attempt, now)
                return PinVerdict.WRONG
            if box_key := _box_key_of(attempt):
                transaction.delete_counter(box_key)
            return PinVerdict.ACCEPTED

        return await self._store.transact(decide)

    async def reset(self, account_id: str, box_id: str) -> None:
        """Unlock a mailbox for all phones, as an administrator does."""

        def unlock(transaction: AttemptTransaction) -> None:
            transaction.delete_counter(_box_key(account_id, box_id))
            transaction.delete_own_phone_counters(account_id, box_id)

        await self._store.transact(unlock)

    async def reset_account(self, account_id: str) -> None:
        """Give an account its whole budget again, as an administrator does."""
        await self._store.transact(lambda transaction: transaction.delete_counter(_account_key(account_id)))

    async def locked_until(self, account_id: str, box_id: str) -> int:
        """Return the end of the latest lock of a mailbox in Unix seconds; 0 if it is not locked for any phone."""
        locked_until = await self._store.box_locked_until(account_id, box_id)
        return locked_until if _is_locked(locked_until, self._clock.now()) else 0

    def _count(self, transaction: AttemptTransaction, attempt: PinAttempt, now: int) -> None:
        """Count a wrong PIN for everything that it counts for."""
        box_key = _box_key_of(attempt)
        if box_key and attempt.box_id and _count_in_a_row(transaction, box_key, now):
            transaction.enqueue_box_locked(attempt.account_id, attempt.box_id)
        if attempt.own_phone:
            return
        _count_in_hour(transaction, _caller_key(attempt), CALLER_FAILURES_PER_HOUR, now)
        if _count_in_hour(transaction, _account_key(attempt.account_id), self._account_failures_per_hour, now):
            transaction.enqueue_account_locked(attempt.account_id)


def _is_locked(until: int, now: float) -> bool:
    """Return whether a lock holds. One that ends later than any begun now was begun by a clock that was set back."""
    return now < until <= now + MAX_LOCK_S


def lock_duration_s(lock_count: int) -> int:
    """Return how long the `lock_count`-th lock in a row lasts, in seconds: 60, 120, 240, 480, 900, 900, …"""
    return MAX_LOCK_S if lock_count > 4 else min(FIRST_LOCK_S << (lock_count - 1), MAX_LOCK_S)


def _count_in_a_row(transaction: AttemptTransaction, key: AttemptKey, now: int) -> bool:
    """Count a failure; return whether it locks `key`, as the fifth in a row and each one after a lock do."""
    counter = transaction.counter(key)
    failure_count, lock_count, locked_until = counter.failure_count + 1, counter.lock_count, 0
    if failure_count >= MAX_CONSECUTIVE_FAILURES:
        lock_count += 1
        locked_until = now + lock_duration_s(lock_count)
    transaction.set_counter(key, AttemptCounter(failure_count, now, lock_count, locked_until))
    return bool(locked_until)


def _count_in_hour(transaction: AttemptTransaction, key: AttemptKey, limit: int, now: int) -> bool:
    """Count a failure; return whether it locks `key`: the `limit`-th one within an hour and each one after it do."""
    counter = transaction.counter(key)
    if not is_within_hour(counter, now):
        counter = AttemptCounter(window_started_at=now)
    failure_count, lock_count, locked_until = counter.failure_count + 1, counter.lock_count, 0
    if failure_count >= limit:
        lock_count += 1
        locked_until = now + MAX_LOCK_S
    transaction.set_counter(key, AttemptCounter(failure_count, counter.window_started_at, lock_count, locked_until))
    return bool(locked_until)


def _keys(attempt: PinAttempt) -> list[AttemptKey]:
    """Return what can refuse an attempt."""
    box_key = _box_key_of(attempt)
    shared_keys = [] if attempt.own_phone else [_caller_key(attempt), _account_key(attempt.account_id)]
    return [*shared_keys, *([box_key] if box_key else [])]


def _box_key_of(attempt: PinAttempt) -> AttemptKey | None:
    """Return the counter of the mailbox for this phone; None: the mailbox does not exist."""
    if attempt.box_id is None:
        return None
    if attempt.own_phone:
        subject = f"{attempt.box_id} {attempt.source}"
        return AttemptKey(scope="own_phone", subject=subject, account_id=attempt.account_id)
    return _box_key(attempt.account_id, attempt.box_id)


def _box_key(account_id: str, box_id: str) -> AttemptKey:
    return AttemptKey(scope="box", subject=box_id, account_id=account_id)


def _caller_key(attempt: PinAttempt) -> AttemptKey:
    return AttemptKey(scope="caller", subject=attempt.source, account_id=attempt.account_id)


def _account_key(account_id: str) -> AttemptKey:
    return AttemptKey(scope="account", subject=account_id, account_id=account_id)
