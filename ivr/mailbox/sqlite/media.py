"""Greetings and names, in SQLite: which recordings there are, and which of them is in use."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import structlog

from ivr.clock import Clock
from ivr.database.file import Database
from ivr.errors import NotFound
from ivr.mailbox.store import Media, MediaKind

log = structlog.get_logger()


class SqliteMedia:
    """The `MediaStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, media: Media) -> None:
        await self._database.write(lambda c: insert(c, media))

    async def get(self, account_id: str, media_id: str) -> Media | None:
        sql = "SELECT * FROM media WHERE id = ? AND account_id = ? AND deleted_at IS NULL"
        row = await self._database.read(lambda c: c.execute(sql, (media_id, account_id)).fetchone())
        return _media(row) if row else None

    async def use(
        self, media: Media, *, user_id: str | None = None, take_id: str | None = None, until: int | None = None
    ) -> None:
        now = int(self._clock.now())
        changes: dict[str, Any] = {media.kind: media.id}
        if media.kind is MediaKind.TEMPORARY:
            changes["temporary_until"] = until
        table, row_id = ("users", user_id) if user_id else ("boxes", media.box_id)

        def verb(connection: sqlite3.Connection) -> str | None:
            if take_id and not connection.execute("DELETE FROM takes WHERE id = ?", (take_id,)).rowcount:
                raise NotFound("this recording was kept or dropped already")
            before = _point(connection, table, row_id, changes, now).get(media.kind)
            _bury_recording(connection, before, media.box_id, media.kind, now)
            insert(connection, media)
            return before

        before = await self._database.write(verb)
        log.info("media.used", media=media.id, box=media.box_id, kind=media.kind, instead_of=before)

    async def stop_using(self, box_id: str, kind: MediaKind) -> bool:
        now = int(self._clock.now())
        changes = {kind: None, **({"temporary_until": None} if kind is MediaKind.TEMPORARY else {})}

        def verb(connection: sqlite3.Connection) -> str | None:
            before = _point(connection, "boxes", box_id, changes, now).get(kind)
            _bury_recording(connection, before, box_id, kind, now)
            return before

        before = await self._database.write(verb)
        if before:
            log.info("media.unused", media=before, box=box_id, kind=kind)
        return before is not None


def insert(connection: sqlite3.Connection, media: Media) -> None:
    """A row for `media`, within a transaction of somebody else's."""
    connection.execute(
        "INSERT INTO media (id, account_id, box_id, kind, source, content_type, length_ms, bytes, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (media.id, media.account_id, media.box_id, media.kind, media.source, media.content_type, media.length_ms,
         media.bytes, media.created_at),
    )  # fmt: skip


def _point(
    connection: sqlite3.Connection, table: str, row_id: str | None, changes: dict[str, Any], now: int
) -> dict[str, Any]:
    """Change the `media` of a box's or a user's settings; gives what it was. Raises `NotFound`."""
    row = connection.execute(f"SELECT settings FROM {table} WHERE id = ? AND deleted_at IS NULL", (row_id,)).fetchone()
    if row is None:
        raise NotFound(f"there is no row {row_id!r} in {table}")
    settings = json.loads(row["settings"])
    before = settings.get("media") or {}
    settings["media"] = {name: value for name, value in {**before, **changes}.items() if value is not None}
    connection.execute(
        f"UPDATE {table} SET settings = ?, revision = revision + 1, modified_at = ? WHERE id = ?",
        (json.dumps(settings), now, row_id),
    )
    return dict(before)


def _bury_recording(
    connection: sqlite3.Connection, media_id: str | None, box_id: str, kind: MediaKind, now: int
) -> None:
    """Soft delete of what is no longer in use, unless it was uploaded, or is another box's greeting.

    A name is its owner's, whichever of their boxes it was spoken into.
    """
    connection.execute(
        "UPDATE media SET deleted_at = ? WHERE id = ? AND kind = ? AND source = 'recording' AND deleted_at IS NULL"
        " AND (box_id = ? OR kind = 'name')",
        (now, media_id, kind, box_id),
    )


def _media(row: sqlite3.Row) -> Media:
    return Media(
        id=row["id"], account_id=row["account_id"], box_id=row["box_id"], kind=MediaKind(row["kind"]),
        source=row["source"], content_type=row["content_type"] or "", length_ms=row["length_ms"], bytes=row["bytes"],
        created_at=row["created_at"],
    )  # fmt: skip
