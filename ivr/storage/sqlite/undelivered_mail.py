"""Mails of a mailbox that were given up, in SQLite: rows of the outbox that are never due."""

from __future__ import annotations

from collections.abc import Sequence

from ivr.storage.database import Database
from ivr.storage.records import NEVER_DUE, OutboxTask, TaskKind
from ivr.storage.sqlite.outbox import task_from_row


class SqliteUndeliveredMail:
    """The `UndeliveredMailStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_by_box(self, box_id: str) -> list[OutboxTask]:
        sql = "SELECT * FROM outbox WHERE box_id = ? AND kind = ? AND due_at >= ? ORDER BY id"
        values = (box_id, TaskKind.MAIL, NEVER_DUE)
        return [task_from_row(row) for row in await self._database.read(lambda c: c.execute(sql, values).fetchall())]

    async def record_announced(self, mails: Sequence[OutboxTask]) -> None:
        sql = "UPDATE outbox SET payload = json_set(payload, '$.announced', json('true')) WHERE id = ? AND uid = ?"
        values = [(mail.id, mail.uid) for mail in mails]
        await self._database.write(lambda c: c.executemany(sql, values).rowcount)
