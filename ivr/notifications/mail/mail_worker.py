"""The lane of mail: asks for one row a recipient, sends each, and afterwards saves or deletes where the box says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ivr.audio.formats import by_name
from ivr.clock import Clock
from ivr.errors import InvalidAudio, NotFound, NotificationFailed, NotificationUndeliverable, PastRetention, SoundsError
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.renditions import Forms, Given
from ivr.notifications.event import MailboxEvent
from ivr.notifications.mail import template_context
from ivr.notifications.mail.compose import compose
from ivr.notifications.mail.recipients import resolve_recipients
from ivr.notifications.mail.smtp import SmtpClient
from ivr.notifications.mail.template_context import Attachment
from ivr.notifications.mail.templates import MailTemplates
from ivr.notifications.settings import MailSettings, NotificationSettings
from ivr.notifications.worker import Handler, HandlerResult
from ivr.storage.protocols import MessageStore, Transaction
from ivr.storage.records import ChangeReason, Folder, Message, OutboxTask, TaskKind

NO_CUTOFF = 0
MB = 1_000_000


class MailSubscriber:
    """Asks for mails where the service sends any. A transcript, in a language that it `transcribes`, comes first, and
    asks for them when it is there."""

    def __init__(
        self, settings: NotificationSettings, *, mail_enabled: bool, can_transcribe: Callable[[str], bool]
    ) -> None:
        self._settings = settings
        self._mail_enabled = mail_enabled
        self._can_transcribe = can_transcribe

    def handle(self, transaction: Transaction, event: MailboxEvent) -> None:
        """New messages, full boxes, locked boxes (kazoo-behaviour §5.1, §5.2)."""
        mailbox, message = event.mailbox, event.message
        if event.kind is TaskKind.NEW:
            wanted = mailbox.settings.transcribe and self._can_transcribe(mailbox.language)
            if message and wanted and _needs_transcription(message):
                _enqueue(transaction, TaskKind.TRANSCRIPTION, mailbox, message, quiet=event.suppress_owner_notification)
            elif (
                message
                and self._mail_enabled
                and message.folder is Folder.NEW
                and not event.suppress_owner_notification
            ):
                enqueue_new_message_mail(transaction, mailbox, message)
        elif (
            event.kind in (TaskKind.BOX_FULL, TaskKind.BOX_LOCKED)
            and self._mail_enabled
            and self._acquire_throttle(transaction, event)
        ):
            for address in resolve_recipients(mailbox, event.kind):
                _enqueue(transaction, TaskKind.MAIL, mailbox, None, target=address, of=str(event.kind))

    def _acquire_throttle(self, transaction: Transaction, event: MailboxEvent) -> bool:
        """Limit notifications about a full mailbox: every caller who finds it full would cause a mail."""
        return transaction.acquire_throttle(
            event.kind,
            account_id=event.mailbox.account_id,
            box_id=event.mailbox.id,
            interval_s=self._settings.full_every_s,
        )


def _needs_transcription(message: Message) -> bool:
    """A copy has its original's transcript, unless something was said before it."""
    return message.transcription is None or message.intro_id is not None


def enqueue_new_message_mail(transaction: Transaction, mailbox: Mailbox, message: Message) -> None:
    """Ask for one mail a recipient about a new message."""
    for address in resolve_recipients(mailbox, TaskKind.NEW):
        _enqueue(transaction, TaskKind.MAIL, mailbox, message, target=address, of=str(TaskKind.NEW))


class MailSender:
    """Sends mails."""

    def __init__(
        self,
        boxes: Boxes,
        messages: MessageStore,
        renditions: Forms,
        clock: Clock,
        templates: MailTemplates,
        smtp: SmtpClient,
        settings: MailSettings,
    ) -> None:
        self._boxes = boxes
        self._messages = messages
        self._renditions = renditions
        self._clock = clock
        self._templates = templates
        self._smtp = smtp
        self._settings = settings

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return {TaskKind.MAIL: self.send}

    async def send(self, task: OutboxTask) -> HandlerResult:
        """One mail to one person. One about what is gone meanwhile is not sent."""
        try:
            mailbox = await self._boxes.get(task.box_id)
            message = await self._messages.get(task.box_id, task.message_id, NO_CUTOFF) if task.message_id else None
        except (NotFound, PastRetention):
            return None
        await self._smtp.send(task.target, await self._build_mail(task, mailbox, message))
        if message is None or not (mailbox.settings.save_after_notify or mailbox.settings.delete_after_notify):
            return None

        def also(transaction: Transaction) -> None:
            """The last of them: only now has everybody been told who was to be."""
            if not transaction.has_task(TaskKind.MAIL, message.id):
                _enqueue(transaction, TaskKind.AFTER_MAIL, mailbox, message)

        return also

    async def _build_mail(self, task: OutboxTask, mailbox: Mailbox, message: Message | None) -> bytes:
        counts = await self._messages.counts(mailbox.id)
        audio: Attachment | None = None
        if message:
            audio = (
                await self._build_attachment(mailbox, message) if mailbox.settings.include_message_on_notify else None
            )
            said = template_context.message_context(mailbox, counts, message, audio)
        else:
            said = template_context.box_context(mailbox, counts)
        text = self._templates.render(str(task.payload["of"]), mailbox.account, mailbox.language, said)
        try:
            return compose(task, mailbox.account, self._settings.sender, text, audio)
        except ValueError as error:
            raise NotificationUndeliverable(f"no mail can be made for {task.target!r}: {error}") from error

    async def _build_attachment(self, mailbox: Mailbox, message: Message) -> Attachment:
        extension = mailbox.settings.media_extension
        try:
            given = await self._renditions.give(message, by_name(extension))
            fits = given.size <= self._settings.largest_mb * MB
            content = await asyncio.to_thread(_read_rendition, given) if fits else None
        except (NotFound, InvalidAudio, SoundsError, OSError) as error:
            raise NotificationFailed(f"there is no audio to attach: {error}") from error
        return Attachment(template_context.attachment_filename(mailbox, message), extension, content)


class AfterNotifyAction:
    """What a box wants to become of a message about which everybody was told (kazoo-behaviour §3.3)."""

    def __init__(self, boxes: Boxes, messages: MessageStore) -> None:
        self._boxes = boxes
        self._messages = messages

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return {TaskKind.AFTER_MAIL: self.apply}

    async def apply(self, task: OutboxTask) -> HandlerResult:
        """Saving wins. A message that its owner has put elsewhere meanwhile stays there."""
        try:
            box = (await self._boxes.get(task.box_id)).settings
            if (box.save_after_notify or box.delete_after_notify) and task.message_id:
                folder = Folder.SAVED if box.save_after_notify else Folder.DELETED
                await self._messages.move_to(
                    task.box_id, task.message_id, folder, ChangeReason.NOTIFIED, only_from=Folder.NEW
                )
        except (NotFound, PastRetention):
            pass
        return None


def _read_rendition(rendition: Given) -> bytes:
    parts = [rendition.head]
    for path, start, length in rendition.files:
        with path.open("rb") as file:
            file.seek(start)
            parts.append(file.read(length))
    return b"".join(parts)


def _enqueue(
    transaction: Transaction,
    kind: TaskKind,
    mailbox: Mailbox,
    message: Message | None,
    *,
    target: str = "",
    **payload: object,
) -> None:
    transaction.enqueue(
        kind,
        account_id=mailbox.account_id,
        box_id=mailbox.id,
        message_id=message.id if message else None,
        target=target,
        payload=payload,
    )
