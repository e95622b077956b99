"""Wrong PINs, counted across calls, and the locks that follow (design: PINs).

Per box: after 5 in a row the box is locked for a minute, and for twice as long at each further one, up to an hour.
Per caller and per device: 20 an hour, whatever the boxes. An attempt is charged before it is tested, so that many at
the same moment get no more tries than one after another.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from ivr.clock import Clock
from ivr.storage.sqlite.database import Database

MAX_CONSECUTIVE_FAILURES = 5
FIRST_LOCK_S = 60
MAX_LOCK_S = 3600
ATTEMPTS_PER_HOUR = 20
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class PinAttempt:
    """Who tries which box; None for a box that does not exist, and for what is not known of the caller."""

    account_id: str
    box_id: str | None
    caller_number: str | None
    endpoint: str | None


OnLock = Callable[[sqlite3.Connection, str, str, int], None]
"""Told within the transaction that locks a box: connection, account id, box id, now (Unix s)."""


class PinLockout:
    """The failure counters of one database file."""

    def __init__(self, database: Database, clock: Clock, on_lock: OnLock = lambda *_: None) -> None:
        self._database = database
        self._clock = clock
        self._on_lock = on_lock

    async def register_attempt(self, attempt: PinAttempt) -> bool:
        """Count one wrong PIN in advance; False where any lock holds, so that even a right one is refused."""
        now = int(self._clock.now())

        def verb(connection: sqlite3.Connection) -> bool:
            box_open = attempt.box_id is None or self._register_box_attempt(
                connection, attempt.account_id, attempt.box_id, now
            )
            people = [("caller", attempt.caller_number), ("endpoint", attempt.endpoint)]
            free = [_register_hourly_attempt(connection, scope, subject, now) for scope, subject in people if subject]
            return box_open and all(free)

        return await self._database.write(verb)

    async def clear_on_success(self, attempt: PinAttempt) -> None:
        """The PIN was right: the box's row of failures ends, and the caller's charge is taken back."""

        def verb(connection: sqlite3.Connection) -> None:
            _reset_box(connection, attempt.account_id, attempt.box_id)
            for scope, subject in (("caller", attempt.caller_number), ("endpoint", attempt.endpoint)):
                connection.execute(
                    "UPDATE failures SET failed = max(0, failed - 1)"
                    " WHERE account_id = '' AND scope = ? AND subject = ?",
                    (scope, subject),
                )

        await self._database.write(verb)

    async def reset(self, account_id: str, box_id: str) -> None:
        """An administrator unlocks the box."""
        await self._database.write(lambda c: _reset_box(c, account_id, box_id))

    async def locked_until(self, account_id: str, box_id: str) -> int:
        """Unix seconds; 0 where the box is open."""
        sql = "SELECT locked_until FROM failures WHERE account_id = ? AND scope = 'box' AND subject = ?"
        row = await self._database.read(lambda c: c.execute(sql, (account_id, box_id)).fetchone())
        return int(row[0]) if row and row[0] > self._clock.now() else 0

    def _register_box_attempt(self, connection: sqlite3.Connection, account_id: str, box_id: str, now: int) -> bool:
        row = _read_counter(connection, account_id, "box", box_id)
        if row and row["locked_until"] > now:
            return False  # Not counted: hammering on a locked box must not keep its owner out for ever.
        failed, locks = (row["failed"] + 1, row["locks"]) if row else (1, 0)
        locked_until = 0
        if failed >= MAX_CONSECUTIVE_FAILURES:
            locks += 1
            locked_until = now + lock_duration_s(locks)
            self._on_lock(connection, account_id, box_id, now)
        _write_counter(connection, account_id, "box", box_id, failed, now, locks, locked_until)
        return True


def lock_duration_s(lock_count: int) -> int:
    """How long the `locks`-th lock in a row lasts, in seconds: 60, 120, … 3600."""
    return MAX_LOCK_S if lock_count > 12 else min(FIRST_LOCK_S << (lock_count - 1), MAX_LOCK_S)


def _register_hourly_attempt(connection: sqlite3.Connection, scope: str, subject: str, now: int) -> bool:
    row = _read_counter(connection, "", scope, subject)
    failed, since = (row["failed"], row["counted_from"]) if row and now - row["counted_from"] < HOUR_S else (0, now)
    _write_counter(connection, "", scope, subject, failed + 1, since, 0, 0)
    return int(failed) < ATTEMPTS_PER_HOUR


def _read_counter(connection: sqlite3.Connection, account_id: str, scope: str, subject: str) -> sqlite3.Row | None:
    sql = "SELECT * FROM failures WHERE account_id = ? AND scope = ? AND subject = ?"
    row: sqlite3.Row | None = connection.execute(sql, (account_id, scope, subject)).fetchone()
    return row


def _write_counter(connection: sqlite3.Connection, *values: object) -> None:
    connection.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def _reset_box(connection: sqlite3.Connection, account_id: str, box_id: str | None) -> None:
    connection.execute(
        "DELETE FROM failures WHERE account_id = ? AND scope = 'box' AND subject = ?", (account_id, box_id)
    )
