"""The lane of transcripts: the text is kept with the message, and only then is anybody mailed (kazoo-behaviour §5.4).

A failure is kept as such and holds nothing back.
"""

from __future__ import annotations

import json

import structlog

from ivr.clock import Clock
from ivr.errors import NotFound, NotificationFailed, PastRetention
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.delivery import Delivery
from ivr.notifications.mail.mail_worker import enqueue_new_message_mail
from ivr.notifications.transcription.transcriber import Transcriber
from ivr.notifications.worker import Handler, HandlerResult
from ivr.storage.protocols import MessageStore, Transaction
from ivr.storage.records import Folder, Message, OutboxTask, TaskKind

NO_CUTOFF = 0

log = structlog.get_logger()


class TranscriptionWorker:
    """`mails`: whether mail is sent at all."""

    def __init__(
        self,
        boxes: Boxes,
        messages: MessageStore,
        delivery: Delivery,
        transcriber: Transcriber,
        clock: Clock,
        *,
        mail_enabled: bool,
    ) -> None:
        self._boxes = boxes
        self._messages = messages
        self._delivery = delivery
        self._transcriber = transcriber
        self._clock = clock
        self._mail_enabled = mail_enabled

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return {TaskKind.TRANSCRIPTION: self.transcribe}

    async def transcribe(self, task: OutboxTask) -> HandlerResult:
        """One message."""
        try:
            mailbox = await self._boxes.get(task.box_id)
            message = await self._messages.get(task.box_id, str(task.message_id), NO_CUTOFF)
        except (NotFound, PastRetention):
            return None
        kept = json.dumps(await self._transcribe_audio(message), ensure_ascii=False)

        def also(transaction: Transaction) -> None:
            transaction.set_transcription(message, kept)
            if self._mail_enabled and message.folder is Folder.NEW and not task.payload.get("quiet"):
                enqueue_new_message_mail(transaction, mailbox, message)

        return also

    async def _transcribe_audio(self, message: Message) -> dict[str, str]:
        try:
            text = await self._transcriber.transcribe(self._delivery.audio(message))
        except NotificationFailed as error:
            log.error("transcript.failed", message=message.id, error=str(error))
            return {"result": "error", "text": ""}
        log.info("transcript.made", message=message.id, words=len(text.split()))
        return {"result": "success", "text": text}
