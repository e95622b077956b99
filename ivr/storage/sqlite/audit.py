"""The audit log, in SQLite. Triggers of the table refuse changes, and removals except those of retention."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ivr.storage.database import OWN_ROWS, Database
from ivr.storage.records import AuditEntry, AuditQuery
from ivr.storage.sqlite.audit_rows import INSERT, entry_from_row, to_values


class SqliteAudit:
    """The `AuditStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        rows = [to_values(entry) for entry in entries]
        await self._database.write(lambda c: c.executemany(INSERT, rows).rowcount, boxes=OWN_ROWS)

    async def find(self, query: AuditQuery, limit: int) -> list[AuditEntry]:
        conditions = {
            "at >= ?": query.since,
            "at <= ?": query.until,
            "account_id = ?": query.account_id,
            "box_id = ?": query.box_id,
            '"user" = ?': query.user,
            "action = ?": query.action,
            "subject = ?": query.subject,
        }
        used = {condition: value for condition, value in conditions.items() if value is not None}
        sql = f"SELECT * FROM audit WHERE {' AND '.join(used)} ORDER BY at DESC, id DESC LIMIT ?"
        rows = await self._database.read(lambda c: c.execute(sql, (*used.values(), limit)).fetchall())
        return [entry_from_row(row) for row in rows]


def remove_expired(connection: sqlite3.Connection, row: sqlite3.Row, _: int) -> bool:
    """Remove an entry that retention has found. The trigger permits it up to the time that is stored first."""
    connection.execute(
        "INSERT INTO audit_expiry (account_id, ends_at) VALUES (?1, ?2)"
        " ON CONFLICT (account_id) DO UPDATE SET ends_at = max(audit_expiry.ends_at, ?2)",
        (row["account_id"], row["since"]),
    )
    return connection.execute("DELETE FROM audit WHERE id = ?", (row["id"],)).rowcount == 1
