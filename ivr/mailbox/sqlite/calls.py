"""Calls in SQLite: those that go on, and the records of those that are over."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from typing import Any

from ivr.database.file import Database
from ivr.errors import BadInput, NotFound
from ivr.ids import Ids
from ivr.mailbox.store import CallRecord, LiveCall

KEPT_OF_A_LIVE_CALL = ("id", "account_id", "channel", "caller_number", "action", "began_at")
CUT_SHORT = "the service ended in mid-call"


class SqliteCalls:
    """The `CallStore` of one database file, and what reads it."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids

    async def begin(self, call: LiveCall) -> str:
        row = {"id": self._ids.document(), **asdict(call)}
        await self._database.write(lambda c: _insert(c, "live_calls", row))
        return str(row["id"])

    async def add(self, call: CallRecord) -> None:
        row = {**asdict(call), "id": call.id or self._ids.document(), "steps": json.dumps(list(call.steps))}

        def verb(connection: sqlite3.Connection) -> None:
            # A service that started meanwhile may have taken it for one that was cut short.
            connection.execute("DELETE FROM calls WHERE id = ?", (row["id"],))
            _insert(connection, "calls", row)
            connection.execute("DELETE FROM live_calls WHERE id = ?", (row["id"],))

        await self._database.write(verb)

    async def close_left_behind(self, now: int, began_before: int | None = None) -> int:
        """At a start: the calls that an earlier run did not end get a record that says so; how many there were.

        `began_before` (Unix s): only those that are so old; None: all.
        """
        before = 2**62 if began_before is None else began_before

        def verb(connection: sqlite3.Connection) -> int:
            rows = connection.execute("SELECT * FROM live_calls WHERE began_at < ?", (before,)).fetchall()
            for row in rows:
                kept = {
                    name: row[name] for name in ("id", "account_id", "channel", "caller_number", "action", "began_at")
                }
                steps = json.dumps([{"at_ms": 0, "what": CUT_SHORT}])
                _insert(connection, "calls", {**kept, "status": "ERROR", "ended_at": now, "steps": steps})
            connection.execute("DELETE FROM live_calls WHERE began_at < ?", (before,))
            return len(rows)

        return await self._database.write(verb)

    async def live(self) -> list[LiveCall]:
        """Calls that go on, the longest first."""
        sql = "SELECT channel, caller_number, action, number, began_at FROM live_calls ORDER BY began_at, id"
        return [LiveCall(**dict(row)) for row in await self._database.read(lambda c: c.execute(sql).fetchall())]

    async def recent(self, account_id: str | None, not_before: int, limit: int) -> list[CallRecord]:
        """Calls that began since `not_before` (Unix s), of one account or of all, the newest first."""
        sql = (
            "SELECT * FROM calls WHERE began_at >= ? AND (? IS NULL OR account_id = ?)"
            " ORDER BY began_at DESC, rowid DESC LIMIT ?"
        )
        values = (not_before, account_id, account_id, limit)
        return [_record(row) for row in await self._database.read(lambda c: c.execute(sql, values).fetchall())]

    async def get(self, call_id: str, not_before: int) -> CallRecord:
        """The call with this id, or whose id begins so. Raises `NotFound`, `BadInput` where several do."""
        if not call_id.isalnum():
            raise NotFound(f"there is no call {call_id!r}: see 'ivr calls list'")
        sql = "SELECT * FROM calls WHERE id >= ? AND id < ? AND began_at >= ? LIMIT 2"
        values = (call_id, call_id + "~", not_before)
        rows = await self._database.read(lambda c: c.execute(sql, values).fetchall())
        if not rows:
            raise NotFound(f"there is no call {call_id!r}: see 'ivr calls list'")
        if len(rows) > 1:
            raise BadInput(f"several calls have ids that begin with {call_id!r}: give more of it")
        return _record(rows[0])


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
    connection.execute(sql, tuple(row.values()))


def _record(row: sqlite3.Row) -> CallRecord:
    return CallRecord(**{**dict(row), "steps": json.loads(row["steps"])})
