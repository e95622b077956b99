"""Greetings and names, in SQLite: the recordings, and which of them is active."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from ivr.clock import Clock
from ivr.errors import NotFound, PreconditionFailed
from ivr.storage.database import Database
from ivr.storage.records import MediaKind, Message, StoredMedia, TaskKind
from ivr.storage.sqlite import counters, events, message_rows, removal

log = structlog.get_logger()


class SqliteMedia:
    """The `MediaStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, media: StoredMedia) -> None:
        await self._database.write(lambda c: insert_media(c, media))

    async def get(self, account_id: str, media_id: str) -> StoredMedia | None:
        sql = "SELECT * FROM media WHERE id = ? AND account_id = ? AND deleted_at IS NULL"
        row = await self._database.read(lambda c: c.execute(sql, (media_id, account_id)).fetchone())
        return _media_from_row(row) if row else None

    async def list_page(self, after: str, limit: int) -> list[StoredMedia]:
        sql = "SELECT * FROM media WHERE id > ? AND deleted_at IS NULL ORDER BY id LIMIT ?"
        rows = await self._database.read(lambda c: c.execute(sql, (after, limit)).fetchall())
        return [_media_from_row(row) for row in rows]

    async def list_newer(self, since: int) -> list[StoredMedia]:
        sql = "SELECT * FROM media WHERE created_at >= ? AND deleted_at IS NULL"
        rows = await self._database.read(lambda c: c.execute(sql, (since,)).fetchall())
        return [_media_from_row(row) for row in rows]

    async def list_stored(self, box_id: str, kind: MediaKind, limit: int) -> list[StoredMedia]:
        sql = "SELECT * FROM media WHERE box_id = ? AND kind = ? ORDER BY created_at DESC, id LIMIT ?"
        rows = await self._database.read(lambda c: c.execute(sql, (box_id, kind, limit)).fetchall())
        return [_media_from_row(row) for row in rows]

    async def activate_again(
        self, media: StoredMedia, *, user_id: str | None = None, expires_at: int | None = None
    ) -> None:
        now = int(self._clock.now())
        changes = _active_changes(media, expires_at)
        box_id = media.box_id
        table, row_id = ("users", user_id) if user_id else ("boxes", box_id)

        def restore_media(connection: sqlite3.Connection) -> list[Message]:
            before = set_active(connection, table, row_id, changes, now)
            with counters.make_space(connection, box_id, now) as purged:
                if before != media.id:
                    _soft_delete_replaced(connection, before, box_id, media.kind, now)
                if not connection.execute("UPDATE media SET deleted_at = NULL WHERE id = ?", (media.id,)).rowcount:
                    raise NotFound("this recording was removed meanwhile")
            return purged

        counters.log_purged(await self._database.write(restore_media))
        log.info("media.used", media=media.id, box=media.box_id, kind=media.kind, again=True)

    async def activate(
        self,
        media: StoredMedia,
        *,
        user_id: str | None = None,
        take_id: str | None = None,
        expires_at: int | None = None,
        expected_media_id: str | None = None,
    ) -> None:
        now = int(self._clock.now())
        changes = _active_changes(media, expires_at)
        table, row_id = ("users", user_id) if user_id else ("boxes", media.box_id)

        def activate_media(connection: sqlite3.Connection) -> tuple[str | None, list[Message]]:
            _check_active(connection, expected_media_id, media.box_id, user_id, media.kind)
            if take_id and not connection.execute("DELETE FROM takes WHERE id = ?", (take_id,)).rowcount:
                raise NotFound("this recording was stored or discarded already")
            before = set_active(connection, table, row_id, changes, now)
            with counters.make_space(connection, media.box_id, now) as purged:
                _soft_delete_replaced(connection, before, media.box_id, media.kind, now)
                insert_media(connection, media)
            return before, purged

        before, purged = await self._database.write(activate_media)
        counters.log_purged(purged)  # The retention worker deletes their files.
        log.info("media.used", media=media.id, box=media.box_id, kind=media.kind, instead_of=before)

    async def deactivate(
        self, box_id: str, kind: MediaKind, *, user_id: str | None = None, expected_media_id: str | None = None
    ) -> bool:
        now = int(self._clock.now())
        changes: dict[str, Any] = {kind: None}
        if kind is MediaKind.TEMPORARY:
            changes["temporary_until"] = None
        tables = [("boxes", box_id), *([("users", user_id)] if user_id else [])]

        def deactivate_media(connection: sqlite3.Connection) -> list[str]:
            _check_active(connection, expected_media_id, box_id, user_id, kind)
            befores = [set_active(connection, table, row_id, changes, now) for table, row_id in tables]
            for before in befores:
                _soft_delete_replaced(connection, before, box_id, kind, now)
            return [before for before in befores if before]

        befores = await self._database.write(deactivate_media)
        for before in befores:
            log.info("media.unused", media=before, box=box_id, kind=kind)
        return bool(befores)


def _active_changes(media: StoredMedia, expires_at: int | None) -> dict[str, Any]:
    changes: dict[str, Any] = {media.kind: media.id}
    if media.kind is MediaKind.TEMPORARY:
        changes["temporary_until"] = expires_at
    return changes


def insert_media(connection: sqlite3.Connection, media: StoredMedia) -> None:
    """Insert the row of a recording."""
    connection.execute(
        "INSERT INTO media (id, account_id, box_id, kind, source, content_type, length_ms, bytes, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            media.id,
            media.account_id,
            media.box_id,
            media.kind,
            media.source,
            media.content_type,
            media.length_ms,
            media.bytes,
            media.created_at,
        ),
    )


def deactivate_everywhere(
    connection: sqlite3.Connection, account_id: str, kind: MediaKind, media_id: str, now: int
) -> None:
    """Stop using a recording, in whichever mailboxes and users it is active."""
    for table in ("boxes", "users"):
        sql = (
            f"SELECT id FROM {table} WHERE account_id = ? AND deleted_at IS NULL"
            " AND json_extract(settings, '$.media.' || ?) = ?"
        )
        for row in connection.execute(sql, (account_id, kind, media_id)).fetchall():
            set_active(connection, table, row["id"], {kind: None}, now)


def set_active(
    connection: sqlite3.Connection, table: str, row_id: str | None, changes: Mapping[str, Any], now: int
) -> str | None:
    """Update `media` in the settings of a mailbox or user; return the previous value of the first change.

    Raises `NotFound`.
    """
    settings = _read_settings(connection, table, row_id)
    if settings is None:
        raise NotFound(f"there is no row {row_id!r} in {table}")
    media, (kind, *_) = settings.get("media") or {}, changes
    before = _active_media_id(settings, kind)
    settings["media"] = {name: value for name, value in {**media, **changes}.items() if value is not None}
    if kind == MediaKind.UNAVAILABLE:
        settings.pop("greeting_media_id", None)  # An older setting of the same greeting: it would become active again.
    connection.execute(
        f"UPDATE {table} SET settings = ?, revision = revision + 1, modified_at = ? WHERE id = ?",
        (json.dumps(settings), now, row_id),
    )
    return before


def _check_active(
    connection: sqlite3.Connection, media_id: str | None, box_id: str, user_id: str | None, kind: MediaKind
) -> None:
    """Raise `PreconditionFailed` if another recording is active; a user's own wins over the mailbox's. None: any."""
    if media_id is None:
        return
    users, boxes = _read_settings(connection, "users", user_id), _read_settings(connection, "boxes", box_id)
    if (_active_media_id(users or {}, kind) or _active_media_id(boxes or {}, kind)) != media_id:
        raise PreconditionFailed("another recording is active: read it again")


def _read_settings(connection: sqlite3.Connection, table: str, row_id: str | None) -> dict[str, Any] | None:
    row = connection.execute(f"SELECT settings FROM {table} WHERE id = ? AND deleted_at IS NULL", (row_id,)).fetchone()
    return dict(json.loads(row["settings"])) if row else None


def _active_media_id(settings: dict[str, Any], kind: str) -> str | None:
    """Return the id of the active recording of a kind in the settings of a mailbox or user."""
    older_setting = settings.get("greeting_media_id") if kind == MediaKind.UNAVAILABLE else None
    return (settings.get("media") or {}).get(kind) or older_setting


def _soft_delete_replaced(
    connection: sqlite3.Connection, media_id: str | None, box_id: str, kind: MediaKind, now: int
) -> None:
    """Soft-delete a replaced recording, unless it was uploaded or is the greeting of another mailbox.

    A recorded name belongs to the owner, whichever mailbox it was recorded in.
    """
    connection.execute(
        "UPDATE media SET deleted_at = ? WHERE id = ? AND kind = ? AND source = 'recording' AND deleted_at IS NULL"
        " AND (box_id = ? OR kind = 'name')",
        (now, media_id, kind, box_id),
    )


def _media_from_row(row: sqlite3.Row) -> StoredMedia:
    return StoredMedia(
        id=row["id"],
        account_id=row["account_id"],
        box_id=row["box_id"],
        kind=MediaKind(row["kind"]),
        source=row["source"],
        content_type=row["content_type"] or "",
        length_ms=row["length_ms"],
        bytes=row["bytes"],
        created_at=row["created_at"],
    )


class SqliteUploads:
    """The `UploadStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def set_audio(
        self, updated: Message, *, expected_revision: int | None = None
    ) -> tuple[Message, list[Message]]:
        now = int(self._clock.now())

        def replace_audio(connection: sqlite3.Connection) -> tuple[Message, list[Message]]:
            before = message_rows.message_by_id(
                connection, updated.box_id, updated.id, expected_revision=expected_revision
            )
            after = replace(
                before,
                audio=updated.audio,
                length_ms=updated.length_ms,
                bytes=updated.bytes,
                upload_type=updated.upload_type,
                intro_id=None,
                intro_ms=0,
                transcription=None,
                revision=before.revision + 1,
            )
            connection.execute(
                "UPDATE messages SET audio_id = ?, length_ms = ?, bytes = ?, upload_type = ?, intro_id = NULL,"
                " intro_ms = 0, transcription = NULL, revision = revision + 1 WHERE id = ?",
                (after.audio, after.length_ms, after.bytes, after.upload_type, after.id),
            )
            if before.has_audio:
                removal.purge_replaced_audio(connection, before, after.recording, now)
            else:
                message_rows.advance_arrivals(connection, before.account_id, before.box_id)
                sql = f"UPDATE messages SET arrival_seq = {message_rows.LAST_ARRIVAL} WHERE id = ?"
                connection.execute(sql, (before.box_id, before.id))
                events.enqueue_for_message(connection, TaskKind.NEW, before, now, suppress_notifications=True)
            with counters.make_space(connection, before.box_id, now, exclude_ids=(before.id,)) as purged:
                counters.adjust_for_message(connection, before, before.folder, -1)
                counters.adjust_for_message(connection, after, after.folder, 1)
            events.enqueue_mwi(connection, before.account_id, before.box_id, now)
            return after, purged

        changed, purged = await self._database.write(replace_audio, boxes=[updated.box_id])
        log.info("message.audio", message=changed.id, box=changed.box_id, length_ms=changed.length_ms)
        counters.log_purged(purged)
        return changed, purged
