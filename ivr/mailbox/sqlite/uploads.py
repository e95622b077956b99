"""Audio that programs bring, in SQLite."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import structlog

from ivr.clock import Clock
from ivr.database.file import Database
from ivr.mailbox.message import Message
from ivr.mailbox.sqlite import counters, outbox, removal, room, rows
from ivr.mailbox.sqlite.outbox import Kind

log = structlog.get_logger()


class SqliteUploads:
    """The `UploadStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def set_audio(
        self, brought: Message, *, seen: int | None = None
    ) -> tuple[Message, list[Message]]:  # fmt: skip
        now = int(self._clock.now())

        def verb(connection: sqlite3.Connection) -> tuple[Message, list[Message]]:
            before = rows.one(connection, brought.box_id, brought.id, seen=seen)
            after = replace(
                before, audio=brought.audio, length_ms=brought.length_ms, bytes=brought.bytes,
                upload_type=brought.upload_type, intro_id=None, intro_ms=0, transcription=None,
                revision=before.revision + 1,
            )  # fmt: skip
            connection.execute(
                "UPDATE messages SET audio = ?, length_ms = ?, bytes = ?, upload_type = ?, intro_id = NULL,"
                " intro_ms = 0, transcription = NULL, revision = revision + 1 WHERE id = ?",
                (after.audio, after.length_ms, after.bytes, after.upload_type, after.id),
            )
            if before.has_audio:
                removal.bury_audio(connection, before, after.recording, now)
            else:
                arrival = rows.next_arrival(connection, before.account_id)
                connection.execute("UPDATE messages SET arrival = ? WHERE id = ?", (arrival, before.id))
                outbox.put(connection, Kind.NEW, before, now, quiet=True)
            with room.made(connection, before.box_id, now, but=before.id) as purged:
                counters.count(connection, before, before.folder, -1)
                counters.count(connection, after, after.folder, 1)
            outbox.light(connection, before.account_id, before.box_id, now)
            return after, purged

        changed, purged = await self._database.write(verb)
        log.info("message.audio", message=changed.id, box=changed.box_id, length_ms=changed.length_ms)
        room.told(purged)
        return changed, purged
