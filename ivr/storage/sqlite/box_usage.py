"""What the mailboxes of an account hold, and when they were used, in SQLite."""

from __future__ import annotations

import sqlite3
from collections import defaultdict

from ivr.storage.database import Database
from ivr.storage.records import BoxUsage
from ivr.storage.sqlite import counters

_USAGE_SQL = (
    "SELECT boxes.id, last_sign_in_at, light_published_at,"
    " coalesce((SELECT sum(bytes) FROM folder_counters WHERE box_id = boxes.id), 0)"
    " + coalesce((SELECT sum(bytes) FROM media WHERE box_id = boxes.id AND deleted_at IS NULL), 0) AS size_bytes,"
    " (SELECT min(time) FROM messages WHERE box_id = boxes.id AND deleted_at IS NULL AND expired_at IS NULL"
    "  AND folder <> 'deleted') AS oldest_at"
    " FROM boxes WHERE account_id = ? AND deleted_at IS NULL"
)
_COUNTS_SQL = (
    "SELECT box_id, folder, urgent, messages FROM folder_counters"
    " WHERE box_id IN (SELECT id FROM boxes WHERE account_id = ? AND deleted_at IS NULL)"
)


class SqliteBoxUsage:
    """The `BoxUsageStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def usage_by_account(self, account_id: str) -> dict[str, BoxUsage]:
        return await self._database.read(lambda connection: _read_usage(connection, account_id))


def _read_usage(connection: sqlite3.Connection, account_id: str) -> dict[str, BoxUsage]:
    count_rows: defaultdict[str, list[sqlite3.Row]] = defaultdict(list)
    for row in connection.execute(_COUNTS_SQL, (account_id,)):
        count_rows[row["box_id"]].append(row)
    return {
        row["id"]: BoxUsage(
            counts=counters.counts_from_rows(count_rows[row["id"]]),
            size_bytes=row["size_bytes"],
            oldest_at=row["oldest_at"],
            last_sign_in_at=row["last_sign_in_at"],
            light_published_at=row["light_published_at"],
        )
        for row in connection.execute(_USAGE_SQL, (account_id,))
    }
