"""The overview of `ivr watch`, in SQLite: counters and the newest rows, never whole tables."""

from __future__ import annotations

import sqlite3
from typing import Any

from ivr.storage.records import FinishedCall, LiveCall, MwiSummary, Overview, RecentMessage
from ivr.storage.sqlite.database import Database

MAX_ROWS = 8
_LIVE_CALLS = "SELECT channel, caller_number, action, number, began_at FROM live_calls ORDER BY began_at, id"
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
    "SELECT boxes.id, mailbox, json_extract(settings, '$.name') AS name, mwi.*, min(is_settled) FROM ("
    " SELECT box_id, created_at AS pending_since, attempts, error, 0 AS is_settled FROM outbox WHERE kind = 'mwi'"
    " UNION ALL SELECT box_id, NULL, 0, NULL, 1 FROM folder_counters WHERE folder = 'new' AND messages > 0"
    ") AS mwi JOIN boxes ON boxes.id = box_id WHERE boxes.deleted_at IS NULL"
    " GROUP BY boxes.id ORDER BY min(is_settled), mailbox LIMIT ?"
)
"""Lights with a pending update first, then lights that are on.

In a query with min(), SQLite returns the other columns of the row that has the minimum.
"""


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
