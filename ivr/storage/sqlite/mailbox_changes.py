"""Which mailboxes have changed, in SQLite: triggers count the changes of each mailbox's messages."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from ivr.storage.database import Database

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
