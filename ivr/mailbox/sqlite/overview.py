"""What a watcher sees, read from SQLite in one glance: counters and the newest few, never whole tables."""

from __future__ import annotations

import sqlite3
from typing import Any

from ivr.database.file import Database
from ivr.mailbox.overview import Arrived, EndedCall, Light, Overview
from ivr.mailbox.store import LiveCall

FEW = 8
_LIVE = "SELECT channel, caller_number, action, number, began_at FROM live_calls ORDER BY began_at, id"
_ENDED = (
    "SELECT began_at, ended_at, caller_number, action, coalesce(mailbox, '') AS box, status"
    " FROM calls LEFT JOIN boxes ON boxes.id = box_id ORDER BY calls.rowid DESC LIMIT ?"
)
_MESSAGES = (
    "SELECT time, mailbox AS box, coalesce(caller_number, '') AS caller, length_ms + intro_ms AS length_ms, folder,"
    " urgent FROM messages JOIN boxes ON boxes.id = box_id"
    " WHERE messages.deleted_at IS NULL AND expired_at IS NULL AND messages.account_id = ?"
    " ORDER BY time DESC LIMIT ?"
)
_LIGHTS = (
    "SELECT boxes.id, mailbox, json_extract(settings, '$.name') AS name, light.*, min(waits_not) FROM ("
    " SELECT box_id, created_at AS waits_since, attempts, error, 0 AS waits_not FROM outbox WHERE kind = 'light'"
    " UNION ALL SELECT box_id, NULL, 0, NULL, 1 FROM counters WHERE folder = 'new' AND messages > 0"
    ") AS light JOIN boxes ON boxes.id = box_id WHERE boxes.deleted_at IS NULL"
    " GROUP BY boxes.id ORDER BY min(waits_not), mailbox LIMIT ?"
)
"""Those that wait to be set first, then those that are on. With min() SQLite gives the row that has the minimum."""


class SqliteOverview:
    """Looks at one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(self, now: int) -> Overview:
        """As it is now. Raises `StoreError`."""
        return await self._database.read(lambda c: _look(c, now))


def _look(c: sqlite3.Connection, now: int) -> Overview:
    folders = dict(c.execute("SELECT folder, sum(messages) FROM counters GROUP BY folder").fetchall())
    accounts = [row[0] for row in c.execute("SELECT id FROM accounts WHERE deleted_at IS NULL")]
    messages = [row for account in accounts for row in c.execute(_MESSAGES, (account, FEW))]
    return Overview(
        at=now,
        calls=[LiveCall(**_plain(row)) for row in c.execute(_LIVE)],
        recordings=c.execute("SELECT count(*) FROM takes").fetchone()[0],
        ended=[EndedCall(**_plain(row)) for row in c.execute(_ENDED, (FEW,))],
        messages=[
            Arrived(**{**_plain(row), "urgent": bool(row["urgent"])})
            for row in sorted(messages, key=lambda row: -row["time"])[:FEW]
        ],
        lights=[_light(c, row) for row in c.execute(_LIGHTS, (FEW,)).fetchall()],
        waiting=c.execute("SELECT count(*) FROM outbox").fetchone()[0],
        **{name: folders.get(name, 0) for name in ("new", "saved", "deleted")},
    )


def _light(c: sqlite3.Connection, row: sqlite3.Row) -> Light:
    sql = "SELECT folder, sum(messages) FROM counters WHERE box_id = ? GROUP BY folder"
    counts = dict(c.execute(sql, (row["id"],)).fetchall())
    return Light(
        row["mailbox"], row["name"] or "", counts.get("new", 0), counts.get("saved", 0), row["waits_since"],
        row["attempts"] or 0, row["error"] or "",
    )  # fmt: skip


def _plain(row: sqlite3.Row) -> dict[str, Any]:
    return dict(row)
