"""Counters of authentication attempts, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from ivr.clock import Clock
from ivr.storage.protocols import AttemptTransaction
from ivr.storage.records import AttemptCounter, AttemptKey
from ivr.storage.sqlite import events
from ivr.storage.sqlite.database import Database

T = TypeVar("T")

_WHERE_KEY = "account_id = ? AND scope = ? AND subject = ?"


class SqliteAuthAttempts:
    """The `AuthAttemptStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def transact(self, change: Callable[[AttemptTransaction], T]) -> T:
        now = int(self._clock.now())
        return await self._database.write(lambda connection: change(SqliteAttemptTransaction(connection, now)))

    async def counter(self, key: AttemptKey) -> AttemptCounter:
        return await self._database.read(lambda connection: _read_counter(connection, key))


class SqliteAttemptTransaction:
    """The `AttemptTransaction` of an open transaction that began at `now` (Unix s)."""

    def __init__(self, connection: sqlite3.Connection, now: int) -> None:
        self._connection = connection
        self._now = now

    def counter(self, key: AttemptKey) -> AttemptCounter:
        return _read_counter(self._connection, key)

    def set_counter(self, key: AttemptKey, counter: AttemptCounter) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO auth_attempts"
            " (account_id, scope, subject, failure_count, window_started_at, lock_count, locked_until)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                key.account_id,
                key.scope,
                key.subject,
                counter.failure_count,
                counter.window_started_at,
                counter.lock_count,
                counter.locked_until,
            ),
        )

    def delete_counter(self, key: AttemptKey) -> None:
        values = (key.account_id, key.scope, key.subject)
        self._connection.execute(f"DELETE FROM auth_attempts WHERE {_WHERE_KEY}", values)

    def enqueue_box_locked(self, account_id: str, box_id: str) -> None:
        events.enqueue_box_locked(self._connection, account_id, box_id, self._now)


def _read_counter(connection: sqlite3.Connection, key: AttemptKey) -> AttemptCounter:
    sql = f"SELECT failure_count, window_started_at, lock_count, locked_until FROM auth_attempts WHERE {_WHERE_KEY}"
    row = connection.execute(sql, (key.account_id, key.scope, key.subject)).fetchone()
    return AttemptCounter(*row) if row else AttemptCounter()
