"""Calls, in SQLite: calls in progress, and the records of finished calls."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import fields
from typing import Any

from ivr.errors import BadInput, NotFound
from ivr.ids import IdGenerator
from ivr.storage.database import OWN_ROWS, Database
from ivr.storage.process_locks import ProcessLocks
from ivr.storage.records import (
    CallQuery,
    CallRecord,
    FinishedCall,
    InterruptedCall,
    LiveCall,
    MwiSummary,
    Overview,
    RecentMessage,
    ServiceProcess,
)
from ivr.storage.sqlite.counters import IS_ENABLED_SQL

SHARED_COLUMNS = ("id", "account_id", "box_id", "channel", "caller_number", "action", "began_at")
STALE_AFTER_S = 60
"""Seconds without a heartbeat after which a call counts as finished."""
INTERRUPTED_STEP = "the service ended in mid-call"
LIVE_CALL_COLUMNS = "channel, caller_number, action, number, began_at, uniqueid, instance, node, asterisk"
_SAME_ASTERISK = "(asterisk IS NULL OR asterisk = ?)"
"""A channel, and the name of a service in Stasis, mean something at one Asterisk only."""


class SqliteCalls:
    """The `CallLogStore` of one database file."""

    def __init__(self, database: Database, ids: IdGenerator, process: ServiceProcess, locks: ProcessLocks) -> None:
        self._database = database
        self._ids = ids
        self._process = process
        self._locks = locks

    async def begin(self, call: LiveCall) -> str:
        self._locks.acquire_run(self._process.run_id)
        row = {
            **_column_values(call),
            "id": self._ids.new_document_id(),
            "heartbeat_at": call.began_at,
            "node": self._process.node,
            "asterisk": self._process.asterisk,
            "run_id": self._process.run_id,
        }
        await self._database.write(lambda c: _insert(c, "live_calls", row), boxes=OWN_ROWS)
        return str(row["id"])

    async def finish(self, call: CallRecord) -> None:
        row = {
            **_column_values(call),
            "id": call.id or self._ids.new_document_id(),
            "steps": json.dumps(list(call.steps)),
        }

        def replace_live_row(connection: sqlite3.Connection) -> None:
            # A service that started meanwhile may have stored it as interrupted.
            connection.execute("DELETE FROM calls WHERE id = ?", (row["id"],))
            _insert(connection, "calls", row)
            connection.execute("DELETE FROM live_calls WHERE id = ?", (row["id"],))
            if call.signed_in_at is not None:
                sql = "UPDATE boxes SET last_sign_in_at = ? WHERE id = ?"
                connection.execute(sql, (call.signed_in_at, call.box_id))

        await self._database.write(replace_live_row, boxes=OWN_ROWS)

    async def close_unfinished(self, now: int, started_before: int | None = None) -> int:
        cutoff = 2**62 if started_before is None else started_before
        process = self._process

        def close_calls(connection: sqlite3.Connection) -> int:
            sql = (
                "SELECT * FROM live_calls WHERE CASE WHEN instance IS NULL"
                " THEN began_at < ? AND (node IS NULL OR node = ?) ELSE heartbeat_at < ? END"
            )
            rows = [
                row
                for row in connection.execute(sql, (cutoff, process.node, now - STALE_AFTER_S)).fetchall()
                if row["instance"] or row["run_id"] in (None, process.run_id) or not self._locks.has_run(row["run_id"])
            ]
            for row in rows:
                close_interrupted(connection, row, now)
            return len(rows)

        return await self._database.write(close_calls)

    async def close_stale(self, now: int) -> None:
        sql = "SELECT * FROM live_calls WHERE heartbeat_at < ? AND instance IS NOT NULL"
        values = (now - STALE_AFTER_S,)
        if not await self._database.read(lambda c: c.execute(sql, values).fetchall()):
            return

        def close_calls(connection: sqlite3.Connection) -> None:
            for row in connection.execute(sql, values).fetchall():
                close_interrupted(connection, row, now)

        await self._database.write(close_calls)

    async def record_sign_in(self, call_id: str, box_id: str, own_phone: bool) -> None:
        sql = "UPDATE live_calls SET box_id = ?, own_phone = ? WHERE id = ?"
        await self._database.write(lambda c: c.execute(sql, (box_id, own_phone, call_id)).rowcount, boxes=OWN_ROWS)

    async def take_over(self, channel: str, uniqueid: str, now: int) -> InterruptedCall | None:
        sql = f"SELECT * FROM live_calls WHERE uniqueid = ? AND channel = ? AND {_SAME_ASTERISK} ORDER BY heartbeat_at"
        values = (uniqueid, channel, self._process.asterisk)
        if not await self._database.read(lambda c: c.execute(sql, values).fetchall()):
            return None

        def close_and_return_last(connection: sqlite3.Connection) -> InterruptedCall | None:
            rows = connection.execute(sql, values).fetchall()
            for row in rows:
                close_interrupted(connection, row, now)
            last = rows[-1] if rows else None
            return InterruptedCall(last["box_id"], bool(last["own_phone"]), last["heartbeat_at"]) if last else None

        return await self._database.write(close_and_return_last)

    async def record_heartbeat(self, instance: str, now: int) -> None:
        sql = f"UPDATE live_calls SET heartbeat_at = ? WHERE instance = ? AND {_SAME_ASTERISK}"
        values = (now, instance, self._process.asterisk)
        await self._database.write(lambda c: c.execute(sql, values).rowcount, boxes=OWN_ROWS)

    async def orphaned_calls(self, instance: str, last_seen_before: int) -> list[LiveCall]:
        sql = (
            f"SELECT {LIVE_CALL_COLUMNS} FROM live_calls WHERE instance <> ? AND heartbeat_at < ? AND {_SAME_ASTERISK}"
        )
        values = (instance, last_seen_before, self._process.asterisk)
        rows = await self._database.read(lambda c: c.execute(sql, values).fetchall())
        return [LiveCall(**dict(row)) for row in rows]

    async def live_calls(self) -> list[LiveCall]:
        sql = f"SELECT {LIVE_CALL_COLUMNS} FROM live_calls ORDER BY began_at, id"
        return [LiveCall(**dict(row)) for row in await self._database.read(lambda c: c.execute(sql).fetchall())]

    async def recent_calls(self, query: CallQuery, limit: int) -> list[CallRecord]:
        conditions = {
            "began_at >= ?": query.since,
            "began_at <= ?": query.until,
            "account_id = ?": query.account_id,
            "box_id = ?": query.box_id,
            "status = ?": query.status,
            "substr(caller_number, ?) = ?": query.caller_suffix or None,
        }
        where = [condition for condition, value in conditions.items() if value is not None]
        values = [value for value in conditions.values() if value is not None]
        if query.caller_suffix:
            values.insert(len(values) - 1, -len(query.caller_suffix))
        sql = f"SELECT * FROM calls WHERE {' AND '.join(where)} ORDER BY began_at DESC, rowid DESC LIMIT ?"
        rows = await self._database.read(lambda c: c.execute(sql, (*values, limit)).fetchall())
        return [_call_record_from_row(row) for row in rows]

    async def get(self, call_id: str, not_before: int) -> CallRecord:
        if not call_id.isalnum():
            raise NotFound(f"there is no call {call_id!r}: see 'ivr calls list'")
        sql = "SELECT * FROM calls WHERE id >= ? AND id < ? AND began_at >= ? LIMIT 2"
        values = (call_id, call_id + "~", not_before)
        rows = await self._database.read(lambda c: c.execute(sql, values).fetchall())
        if not rows:
            raise NotFound(f"there is no call {call_id!r}: see 'ivr calls list'")
        if len(rows) > 1:
            raise BadInput(f"several calls have ids that begin with {call_id!r}: give more of it")
        return _call_record_from_row(rows[0])


def close_interrupted(connection: sqlite3.Connection, row: sqlite3.Row, now: int) -> None:
    """Replace the row of a live call by a record with the status ERROR."""
    shared_values = {name: row[name] for name in SHARED_COLUMNS}
    steps = json.dumps([{"at_ms": 0, "what": INTERRUPTED_STEP}])
    _insert(connection, "calls", {**shared_values, "status": "ERROR", "ended_at": now, "steps": steps})
    connection.execute("DELETE FROM live_calls WHERE id = ?", (row["id"],))


def _column_values(call: CallRecord | LiveCall) -> dict[str, Any]:
    """Return the fields as columns. Unlike `asdict`, it does not copy the steps."""
    return {field.name: getattr(call, field.name) for field in fields(call)}


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
    connection.execute(sql, tuple(row.values()))


def _call_record_from_row(row: sqlite3.Row) -> CallRecord:
    return CallRecord(**{**dict(row), "steps": json.loads(row["steps"])})


MAX_ROWS = 8
_LIVE_CALLS = f"SELECT {LIVE_CALL_COLUMNS} FROM live_calls ORDER BY began_at, id"
_FINISHED_CALLS = (
    "SELECT began_at, ended_at, caller_number, action, coalesce(mailbox, '') AS box, status"
    " FROM calls LEFT JOIN boxes ON boxes.id = box_id ORDER BY calls.rowid DESC LIMIT ?"
)
_RECENT_MESSAGES = (
    "SELECT time, mailbox AS box, coalesce(caller_number, '') AS caller, length_ms + intro_ms AS length_ms, folder,"
    " urgent FROM messages JOIN boxes ON boxes.id = box_id"
    " WHERE messages.deleted_at IS NULL AND expired_at IS NULL AND messages.account_id = ?"
    " ORDER BY time DESC LIMIT ?"
)
_MWI_SUMMARIES = (
    "SELECT boxes.id, mailbox, json_extract(settings, '$.name') AS name, pending_since, attempts, error FROM ("
    " SELECT *, row_number() OVER (PARTITION BY box_id ORDER BY is_settled) AS place FROM ("
    " SELECT box_id, created_at AS pending_since, attempts, error, 0 AS is_settled FROM outbox WHERE kind = 'mwi'"
    " UNION ALL SELECT box_id, NULL, 0, NULL, 1 FROM folder_counters WHERE folder = 'new' AND messages > 0"
    ") AS light) AS mwi JOIN boxes ON boxes.id = box_id AND place = 1 WHERE boxes.deleted_at IS NULL"
    f" AND (is_settled = 0 OR {IS_ENABLED_SQL})"
    " ORDER BY is_settled, mailbox LIMIT ?"
)
"""Lights with a pending update first, then lights that are on."""


class SqliteOverview:
    """The `OverviewStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def snapshot(self, now: int) -> Overview:
        return await self._database.read(lambda c: _read_overview(c, now))

    async def newest_message_at(self) -> int:
        sql = "SELECT coalesce(max(stored_at), 0) FROM messages"
        return int((await self._database.read(lambda c: c.execute(sql).fetchone()))[0])


def _read_overview(connection: sqlite3.Connection, now: int) -> Overview:
    folders = dict(connection.execute("SELECT folder, sum(messages) FROM folder_counters GROUP BY folder").fetchall())
    accounts = [row[0] for row in connection.execute("SELECT id FROM accounts WHERE deleted_at IS NULL")]
    messages = [row for account in accounts for row in connection.execute(_RECENT_MESSAGES, (account, MAX_ROWS))]
    return Overview(
        at=now,
        calls=[LiveCall(**_row_to_dict(row)) for row in connection.execute(_LIVE_CALLS)],
        recordings=connection.execute("SELECT count(*) FROM takes").fetchone()[0],
        ended=[FinishedCall(**_row_to_dict(row)) for row in connection.execute(_FINISHED_CALLS, (MAX_ROWS,))],
        messages=[
            RecentMessage(**{**_row_to_dict(row), "urgent": bool(row["urgent"])})
            for row in sorted(messages, key=lambda row: -row["time"])[:MAX_ROWS]
        ],
        lights=[_mwi_summary(connection, row) for row in connection.execute(_MWI_SUMMARIES, (MAX_ROWS,)).fetchall()],
        waiting=connection.execute("SELECT count(*) FROM outbox").fetchone()[0],
        **{name: folders.get(name, 0) for name in ("new", "saved", "deleted")},
    )


def _mwi_summary(connection: sqlite3.Connection, row: sqlite3.Row) -> MwiSummary:
    sql = "SELECT folder, sum(messages) FROM folder_counters WHERE box_id = ? GROUP BY folder"
    counts = dict(connection.execute(sql, (row["id"],)).fetchall())
    return MwiSummary(
        row["mailbox"],
        row["name"] or "",
        counts.get("new", 0),
        counts.get("saved", 0),
        row["pending_since"],
        row["attempts"] or 0,
        row["error"] or "",
    )


def _row_to_dict(row: sqlite3.Row) -> dict[str, Any]:
    return dict(row)
