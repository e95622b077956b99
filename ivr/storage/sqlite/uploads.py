"""Uploaded audio of messages, in SQLite."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import structlog

from ivr.clock import Clock
from ivr.storage.records import Message, TaskKind
from ivr.storage.sqlite import counters, events, message_rows, quota, removal
from ivr.storage.sqlite.database import Database

log = structlog.get_logger()


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
                arrival = message_rows.next_arrival_seq(connection, before.account_id)
                connection.execute("UPDATE messages SET arrival_seq = ? WHERE id = ?", (arrival, before.id))
                events.enqueue_for_message(connection, TaskKind.NEW, before, now, suppress_notifications=True)
            with quota.make_space(connection, before.box_id, now, exclude_id=before.id) as purged:
                counters.adjust_for_message(connection, before, before.folder, -1)
                counters.adjust_for_message(connection, after, after.folder, 1)
            events.enqueue_mwi(connection, before.account_id, before.box_id, now)
            return after, purged

        changed, purged = await self._database.write(replace_audio)
        log.info("message.audio", message=changed.id, box=changed.box_id, length_ms=changed.length_ms)
        quota.log_purged(purged)
        return changed, purged
