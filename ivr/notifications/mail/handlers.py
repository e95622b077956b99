"""Sends the mails in the outbox, and afterwards saves or deletes the message where the box says so."""

from __future__ import annotations

import structlog

from ivr.directory.audit_log import AuditLog
from ivr.directory.models import Account
from ivr.errors import AudioUnavailable, MailContentRefused, MailTooLarge, NotFound, PastRetention
from ivr.mailbox.boxes import Boxes
from ivr.notifications.mail.audio import Omission
from ivr.notifications.mail.composition import MailComposer
from ivr.notifications.mail.smtp import SmtpClient
from ivr.notifications.mail.subscriber import (
    SHORT_MAIL,
    enqueue_mail_instead,
    recipients_instead,
    resolve_recipients,
)
from ivr.notifications.worker import NO_CUTOFF, Handler, HandlerResult
from ivr.storage.protocols import MessageStore, Transaction
from ivr.storage.records import Actor, AuditAction, ChangeReason, Door, Folder, Message, OutboxTask, TaskKind

ATTEMPTS_WITH_AUDIO = 1
"""Attempts that fail when the audio cannot be read; the later ones are made without it."""

MAIL_ACTOR = Actor(Door.SERVICE, "", "mail", "settings of the mailbox")

log = structlog.get_logger()


class MailSender:
    """Sends mails, with the message's audio attached where the box says so."""

    def __init__(
        self, *, boxes: Boxes, messages: MessageStore, composer: MailComposer, smtp: SmtpClient, audit_log: AuditLog
    ) -> None:
        self._audit_log = audit_log
        self._boxes = boxes
        self._messages = messages
        self._composer = composer
        self._smtp = smtp

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return {TaskKind.MAIL: self.send}

    async def send(self, task: OutboxTask) -> HandlerResult:
        """Send one mail to one recipient, unless its box or message no longer exists, or others are its recipients now.

        Nothing is sent about a message that was deleted while the mail waited, nor a short mail about one that was
        heard.

        A mail whose content is refused is sent without the audio, and so is the first retry if the audio cannot be
        read. A task without a box is about the account in its payload. Raises `NotificationFailed`,
        `NotificationUndeliverable`.
        """
        if not task.box_id:
            account = Account.model_validate(task.payload["account"])
            await self._smtp.send(task.target, await self._composer.compose_account_mail(task, account))
            return None
        try:
            mailbox = await self._boxes.get(task.box_id)
            message = await self._messages.get(task.box_id, task.message_id, NO_CUTOFF) if task.message_id else None
        except (NotFound, PastRetention):
            return None
        if (instead := recipients_instead(task, mailbox)) is not None:
            log.info("mail.recipient_changed", box=task.box_id, row=task.id)
            return lambda transaction: enqueue_mail_instead(transaction, mailbox, task, instead)
        is_short = task.payload["template"] == SHORT_MAIL
        if message is not None and _is_late(message, is_short=is_short):
            log.info("mail.not_sent", box=task.box_id, message=message.id, row=task.id, folder=message.folder)
            late_id = message.id
            return None if is_short else lambda transaction: transaction.record_mailed_without_audio(late_id)
        try:
            mail, has_audio = await self._composer.compose(task, mailbox, message)
        except AudioUnavailable as error:
            if task.attempts <= ATTEMPTS_WITH_AUDIO:
                raise
            _log_omission(task, error)
            mail, has_audio = await self._composer.compose(task, mailbox, message, omit=Omission.UNREADABLE)
        try:
            await self._smtp.send(task.target, mail)
        except MailContentRefused as error:
            if not has_audio:
                raise
            _log_omission(task, error)
            omission = Omission.TOO_LARGE if isinstance(error, MailTooLarge) else Omission.REFUSED
            mail, has_audio = await self._composer.compose(task, mailbox, message, omit=omission)
            await self._smtp.send(task.target, mail)
        if message is None:
            return None
        message_id, settings = message.id, mailbox.settings
        _record(self._audit_log, AuditAction.SENT, task)
        if is_short and not resolve_recipients(mailbox, TaskKind.NEW):
            return None  # No mail carries the audio.

        def enqueue_after_mail(transaction: Transaction) -> None:
            """Enqueue the step after the mails, if this was the message's last pending mail."""
            if not has_audio and not is_short:
                transaction.record_mailed_without_audio(message_id)
            is_wanted = settings.save_after_notify or settings.delete_after_notify
            if is_wanted and not transaction.has_task(TaskKind.MAIL, message_id):
                transaction.enqueue(
                    TaskKind.AFTER_MAIL, account_id=mailbox.account_id, box_id=mailbox.id, message_id=message_id
                )

        return enqueue_after_mail


def _is_late(message: Message, *, is_short: bool) -> bool:
    """Return whether a mail about a message comes too late: its owner has deleted it, or heard what is short."""
    return message.folder is Folder.DELETED or (is_short and message.folder is not Folder.NEW)


def _record(audit_log: AuditLog, action: AuditAction, task: OutboxTask) -> None:
    audit_log.record_soon(
        MAIL_ACTOR, action, account_id=task.account_id, box_id=task.box_id, subject=task.message_id or ""
    )


def _log_omission(task: OutboxTask, error: Exception) -> None:
    log.warning("mail.sent_without_audio", box=task.box_id, message=task.message_id, error=str(error))


class AfterNotifyAction:
    """Saves or deletes a message after the mail server has accepted all its mails, each with the audio."""

    def __init__(self, boxes: Boxes, messages: MessageStore, audit_log: AuditLog) -> None:
        self._audit_log = audit_log
        self._boxes = boxes
        self._messages = messages

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return {TaskKind.AFTER_MAIL: self.apply}

    async def apply(self, task: OutboxTask) -> HandlerResult:
        """Apply `save_after_notify`, else `delete_after_notify`.

        A message is left unchanged if it is no longer new, or if a mail did not carry its audio: its owner has not got
        it yet.
        """
        try:
            box = (await self._boxes.get(task.box_id)).settings
            if (box.save_after_notify or box.delete_after_notify) and task.message_id:
                message = await self._messages.get(task.box_id, task.message_id, NO_CUTOFF)
                if message.mailed_without_audio:
                    log.info("mail.message_stays_new", box=task.box_id, message=task.message_id)
                    return None
                folder = Folder.SAVED if box.save_after_notify else Folder.DELETED
                moved = await self._messages.move_to_folder(
                    task.box_id, task.message_id, folder, ChangeReason.AFTER_NOTIFICATION, required_folder=Folder.NEW
                )
                if message.folder is Folder.NEW and moved.folder is folder:
                    action = AuditAction.DELETED if folder is Folder.DELETED else AuditAction.MOVED
                    _record(self._audit_log, action, task)
        except (NotFound, PastRetention):
            pass
        return None
