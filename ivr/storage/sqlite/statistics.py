"""Numbers of an installation for the metrics, and which mailboxes have changed, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from ivr.storage.database import Database
from ivr.storage.records import MEGABYTE, BoxContent, TakeState, WorkStatistics

_BOX_CONTENT_SQL = (
    "SELECT boxes.id,"
    " (SELECT coalesce(sum(messages), 0) FROM folder_counters WHERE box_id = boxes.id AND folder <> 'deleted')"
    "  AS messages,"
    " (SELECT coalesce(sum(bytes), 0) FROM folder_counters WHERE box_id = boxes.id AND folder <> 'deleted')"
    " + CASE WHEN CAST(json_extract(boxes.settings, '$.quota_mb') AS INTEGER) > 0 THEN"
    "  (SELECT coalesce(sum(bytes), 0) FROM media WHERE box_id = boxes.id AND deleted_at IS NULL) ELSE 0 END"
    "  AS used_bytes,"
    " coalesce(CAST(json_extract(boxes.settings, '$.quota_mb') AS INTEGER), 0) AS quota_mb,"
    " coalesce(json_extract(boxes.settings, '$.max_message_count'),"
    "  json_extract(accounts.settings, '$.max_message_count')) AS max_messages"
    " FROM boxes JOIN accounts ON accounts.id = boxes.account_id"
    " WHERE boxes.id > ? AND boxes.deleted_at IS NULL ORDER BY boxes.id LIMIT ?"
)


class SqliteStatistics:
    """The `StatisticsStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_work(self) -> WorkStatistics:
        return await self._database.read(_read_work)

    async def box_content_page(self, after: str, limit: int) -> list[BoxContent]:
        rows = await self._database.read(lambda c: c.execute(_BOX_CONTENT_SQL, (after, limit)).fetchall())
        return [_box_content_from_row(row) for row in rows]

    def file_sizes(self) -> dict[str, int]:
        return self._database.file_sizes()


def _read_work(connection: sqlite3.Connection) -> WorkStatistics:
    calls = connection.execute("SELECT count(*), coalesce(min(began_at), 0) FROM live_calls").fetchone()
    awaiting_sql = "SELECT count(*) FROM takes WHERE state = ?"
    awaiting = connection.execute(awaiting_sql, (TakeState.AWAITING_OWNER,)).fetchone()
    return WorkStatistics(calls=calls[0], oldest_call_at=calls[1], awaiting_owner=awaiting[0])


def _box_content_from_row(row: sqlite3.Row) -> BoxContent:
    max_messages = row["max_messages"]
    return BoxContent(
        box_id=row["id"],
        messages=row["messages"],
        used_bytes=row["used_bytes"],
        quota_bytes=int(row["quota_mb"]) * MEGABYTE,
        max_messages=None if max_messages is None else int(max_messages),
    )


MAX_PARAMETERS = 500


class SqliteMailboxChanges:
    """The `MailboxChangeStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fingerprint(self) -> bytes:
        return self._database.change_signal()

    async def count(self, box_ids: Collection[str]) -> dict[str, int]:
        ids = list(box_ids)

        def read_counts(connection: sqlite3.Connection) -> dict[str, int]:
            counts = dict.fromkeys(ids, 0)
            for start in range(0, len(ids), MAX_PARAMETERS):
                part = ids[start : start + MAX_PARAMETERS]
                sql = f"SELECT box_id, changes FROM mailbox_changes WHERE box_id IN ({', '.join('?' * len(part))})"
                counts.update((row[0], row[1]) for row in connection.execute(sql, part))
            return counts

        return await self._database.read(read_counts)
