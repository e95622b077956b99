"""Sends the mails in the outbox, and afterwards saves or deletes the message where the box says so."""

from __future__ import annotations

import asyncio

from ivr.audio.formats import by_name
from ivr.errors import InvalidAudio, NotFound, NotificationFailed, NotificationUndeliverable, PastRetention, SoundsError
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.renditions import AudioRenditions, RenderedAudio
from ivr.notifications.mail import composition
from ivr.notifications.mail.composition import Attachment, MailTemplates, compose
from ivr.notifications.mail.smtp import SmtpClient
from ivr.notifications.settings import MailSettings
from ivr.notifications.worker import NO_CUTOFF, Handler, HandlerResult
from ivr.storage.protocols import MessageStore, Transaction
from ivr.storage.records import ChangeReason, Folder, Message, OutboxTask, TaskKind

BYTES_PER_MB = 1_000_000


class MailSender:
    """Sends mails, with the message's audio attached where the box says so."""

    def __init__(
        self,
        *,
        boxes: Boxes,
        messages: MessageStore,
        renditions: AudioRenditions,
        templates: MailTemplates,
        smtp: SmtpClient,
        settings: MailSettings,
    ) -> None:
        self._boxes = boxes
        self._messages = messages
        self._renditions = renditions
        self._templates = templates
        self._smtp = smtp
        self._settings = settings

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return {TaskKind.MAIL: self.send}

    async def send(self, task: OutboxTask) -> HandlerResult:
        """Send one mail to one recipient, unless its box or message no longer exists.

        Raises `NotificationFailed`, `NotificationUndeliverable`.
        """
        try:
            mailbox = await self._boxes.get(task.box_id)
            message = await self._messages.get(task.box_id, task.message_id, NO_CUTOFF) if task.message_id else None
        except (NotFound, PastRetention):
            return None
        await self._smtp.send(task.target, await self._build_mail(task, mailbox, message))
        if message is None or not (mailbox.settings.save_after_notify or mailbox.settings.delete_after_notify):
            return None
        message_id = message.id

        def enqueue_after_mail(transaction: Transaction) -> None:
            """Enqueue the step after the mails, if this was the message's last pending mail."""
            if not transaction.has_task(TaskKind.MAIL, message_id):
                transaction.enqueue(
                    TaskKind.AFTER_MAIL, account_id=mailbox.account_id, box_id=mailbox.id, message_id=message_id
                )

        return enqueue_after_mail

    async def _build_mail(self, task: OutboxTask, mailbox: Mailbox, message: Message | None) -> bytes:
        """Return the mail in the form sent to the mail server.

        Raises `NotificationFailed` when the audio is missing, `NotificationUndeliverable` for an invalid address.
        """
        counts = await self._messages.counts(mailbox.id)
        attachment: Attachment | None = None
        if message:
            if mailbox.settings.include_message_on_notify:
                attachment = await self._build_attachment(mailbox, message)
            context = composition.message_context(mailbox, counts, message, attachment)
        else:
            context = composition.box_context(mailbox, counts)
        content = self._templates.render(str(task.payload["template"]), mailbox.account, mailbox.language, context)
        try:
            return compose(task, mailbox.account, self._settings.sender, content, attachment)
        except ValueError as error:
            raise NotificationUndeliverable(f"invalid address {task.target!r} or mail.sender: {error}") from error

    async def _build_attachment(self, mailbox: Mailbox, message: Message) -> Attachment:
        extension = mailbox.settings.media_extension
        try:
            rendition = await self._renditions.render(message, by_name(extension))
            fits = rendition.size <= self._settings.max_attachment_mb * BYTES_PER_MB
            content = await asyncio.to_thread(_read_rendition, rendition) if fits else None
        except (NotFound, InvalidAudio, SoundsError, OSError) as error:
            raise NotificationFailed(f"the message's audio cannot be attached: {error}") from error
        return Attachment(composition.attachment_filename(mailbox, message), extension, content)


class AfterNotifyAction:
    """Saves or deletes a message after all its mails were accepted by the mail server."""

    def __init__(self, boxes: Boxes, messages: MessageStore) -> None:
        self._boxes = boxes
        self._messages = messages

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return {TaskKind.AFTER_MAIL: self.apply}

    async def apply(self, task: OutboxTask) -> HandlerResult:
        """Apply `save_after_notify`, else `delete_after_notify`. A message that is no longer new is left unchanged."""
        try:
            box = (await self._boxes.get(task.box_id)).settings
            if (box.save_after_notify or box.delete_after_notify) and task.message_id:
                folder = Folder.SAVED if box.save_after_notify else Folder.DELETED
                await self._messages.move_to_folder(
                    task.box_id, task.message_id, folder, ChangeReason.AFTER_NOTIFICATION, required_folder=Folder.NEW
                )
        except (NotFound, PastRetention):
            pass
        return None


def _read_rendition(rendition: RenderedAudio) -> bytes:
    parts = [rendition.header]
    for path, start, length in rendition.segments:
        with path.open("rb") as file:
            file.seek(start)
            parts.append(file.read(length))
    return b"".join(parts)
