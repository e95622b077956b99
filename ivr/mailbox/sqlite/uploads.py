"""Audio that programs bring, in SQLite."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import structlog

from ivr.clock import Clock
from ivr.database.file import Database
from ivr.mailbox.message import Message
from ivr.mailbox.sqlite import counters, outbox, rows
from ivr.mailbox.sqlite.outbox import Kind

log = structlog.get_logger()


class SqliteUploads:
    """The `UploadStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def set_audio(self, box_id: str, message_id: str, length_ms: int, size: int, upload_type: str) -> Message:
        now = int(self._clock.now())

        def verb(connection: sqlite3.Connection) -> Message:
            before = rows.one(connection, box_id, message_id)
            connection.execute(
                "UPDATE messages SET length_ms = ?, bytes = ?, upload_type = ?, intro_id = NULL, intro_ms = 0,"
                " transcription = NULL, revision = revision + 1 WHERE id = ?",
                (length_ms, size, upload_type, message_id),
            )
            if not before.has_audio:
                arrival = rows.next_arrival(connection, before.account_id)
                connection.execute("UPDATE messages SET arrival = ? WHERE id = ?", (arrival, message_id))
                outbox.put(connection, Kind.NEW, before, now, quiet=True)
            appeared = 0 if before.has_audio else 1
            grown = size - before.bytes
            counters.add(connection, before.account_id, box_id, before.folder, appeared, grown, urgent=before.urgent)
            outbox.light(connection, before.account_id, box_id, now)
            return replace(
                before, length_ms=length_ms, bytes=size, upload_type=upload_type, intro_id=None, intro_ms=0,
                transcription=None, revision=before.revision + 1,
            )  # fmt: skip

        changed = await self._database.write(verb)
        log.info("message.audio", message=message_id, box=box_id, length_ms=length_ms)
        return changed
