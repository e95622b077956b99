"""Which message was recorded by a media edge under which call id, in SQLite."""

from __future__ import annotations

import sqlite3

from ivr.errors import Conflict
from ivr.storage.database import Database
from ivr.storage.records import Message

_MESSAGE_OF_CALL = "SELECT message_id FROM edge_recordings WHERE account_id = :account AND call_id = :name"


class SqliteEdgeRecordings:
    """The `EdgeRecordingStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_message_id(self, account_id: str, call_id: str) -> str | None:
        values = {"account": account_id, "name": call_id}
        row = await self._database.read(lambda c: c.execute(_MESSAGE_OF_CALL, values).fetchone())
        return str(row["message_id"]) if row else None

    async def find_message(self, account_id: str, name: str) -> tuple[str, str] | None:
        sql = (
            "SELECT box_id, id FROM messages WHERE account_id = :account"
            f" AND id = coalesce(({_MESSAGE_OF_CALL}), :name)"
        )
        values = {"account": account_id, "name": name}
        row = await self._database.read(lambda c: c.execute(sql, values).fetchone())
        return (row["box_id"], row["id"]) if row else None


def insert_edge_recording(connection: sqlite3.Connection, message: Message, call_id: str) -> None:
    """Record the call id of a message. Raises `Conflict` if a recording of that call was stored already."""
    inserted = connection.execute(
        "INSERT INTO edge_recordings (account_id, call_id, box_id, message_id) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account_id, call_id) DO NOTHING",
        (message.account_id, call_id, message.box_id, message.id),
    )
    if not inserted.rowcount:
        raise Conflict("a recording of this call is stored already")
