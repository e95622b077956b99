"""The lane of transcripts: the text is kept with the message, and only then is anybody mailed (kazoo-behaviour §5.4).

A failure is kept as such and holds nothing back.
"""

from __future__ import annotations

import json
import sqlite3

import structlog

from ivr.clock import Clock
from ivr.errors import NotDelivered, NotFound, PastRetention
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.message import Folder, Message
from ivr.mailbox.sqlite import rows
from ivr.mailbox.sqlite.outbox import Kind
from ivr.mailbox.store import MessageStore
from ivr.notify.lane import Done, Handler
from ivr.notify.mail.post import announce
from ivr.notify.outbox import Row
from ivr.notify.transcript.transcriber import Transcriber

EVER = 0

log = structlog.get_logger()


class Scribe:
    """`mails`: whether mail is sent at all."""

    def __init__(
        self, boxes: Boxes, messages: MessageStore, delivery: Delivery, transcriber: Transcriber, clock: Clock, *,
        mails: bool,
    ) -> None:  # fmt: skip
        self._boxes = boxes
        self._messages = messages
        self._delivery = delivery
        self._transcriber = transcriber
        self._clock = clock
        self._mails = mails

    @property
    def handlers(self) -> dict[Kind, Handler]:
        return {Kind.TRANSCRIPT: self.write}

    async def write(self, row: Row) -> Done:
        """One message."""
        try:
            mailbox = await self._boxes.get(row.box_id)
            message = await self._messages.get(row.box_id, str(row.message_id), EVER)
        except (NotFound, PastRetention):
            return None
        kept = json.dumps(await self._result(message), ensure_ascii=False)
        now = int(self._clock.now())

        def also(connection: sqlite3.Connection) -> None:
            rows.keep_transcription(connection, message, kept)
            if self._mails and message.folder is Folder.NEW and not row.payload.get("quiet"):
                announce(connection, mailbox, message, now)

        return also

    async def _result(self, message: Message) -> dict[str, str]:
        try:
            text = await self._transcriber.transcribe(self._delivery.audio(message))
        except NotDelivered as error:
            log.error("transcript.failed", message=message.id, error=str(error))
            return {"result": "error", "text": ""}
        log.info("transcript.made", message=message.id, words=len(text.split()))
        return {"result": "success", "text": text}
