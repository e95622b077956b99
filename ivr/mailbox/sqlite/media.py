"""Greetings and names, in SQLite."""

from __future__ import annotations

import sqlite3

from ivr.database.file import Database
from ivr.mailbox.store import Media, MediaKind


class SqliteMedia:
    """The `MediaStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, media: Media) -> None:
        await self._database.write(lambda c: insert(c, media))

    async def get(self, account_id: str, media_id: str) -> Media | None:
        sql = "SELECT * FROM media WHERE id = ? AND account_id = ? AND deleted_at IS NULL"
        row = await self._database.read(lambda c: c.execute(sql, (media_id, account_id)).fetchone())
        return _media(row) if row else None


def insert(connection: sqlite3.Connection, media: Media) -> None:
    """A row for `media`, within a transaction of somebody else's."""
    connection.execute(
        "INSERT INTO media (id, account_id, box_id, kind, source, content_type, length_ms, bytes, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (media.id, media.account_id, media.box_id, media.kind, media.source, media.content_type, media.length_ms,
         media.bytes, media.created_at),
    )  # fmt: skip


def _media(row: sqlite3.Row) -> Media:
    return Media(
        id=row["id"], account_id=row["account_id"], box_id=row["box_id"], kind=MediaKind(row["kind"]),
        source=row["source"], content_type=row["content_type"] or "", length_ms=row["length_ms"], bytes=row["bytes"],
        created_at=row["created_at"],
    )  # fmt: skip
