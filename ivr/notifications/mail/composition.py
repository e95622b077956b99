"""Finished mails: headers that show what people wrote as it is, text, HTML and the attachment."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime as format_rfc5322_date
from typing import Any

from ivr.directory.models import Account
from ivr.errors import NotificationUndeliverable
from ivr.mailbox.mailbox import Capacity, Mailbox
from ivr.notifications.mail.audio import NO_AUDIO, Attachment, MailAudio, Omission
from ivr.notifications.mail.rendering import (
    NO_OWN_TEMPLATES,
    BuildVariables,
    MailContent,
    MailTemplates,
    OwnTemplates,
)
from ivr.notifications.mail.subscriber import SHORT_MAIL, TEMPLATES
from ivr.notifications.mail.variables import account_variables, box_variables, message_variables
from ivr.storage.records import Message, OutboxTask, TaskKind
from ivr.validation.addresses import to_smtp

MIME_TYPES = {"mp3": ("audio", "mpeg"), "mp4": ("audio", "mp4"), "wav": ("audio", "wav")}
MAX_LINE_LENGTH = 76
ENCODED_WORD_START = "=?"


class _Subject(str):
    """A subject that the mail library takes as it is, instead of decoding what looks like an encoded word in it."""

    name = "Subject"

    def fold(self, *, policy: EmailPolicy) -> str:
        """Return the header in lines. Text that would be changed on its way is encoded as a whole, blanks included."""
        is_plain = self.isascii() and ENCODED_WORD_START not in self
        has_long_word = any(len(word) > MAX_LINE_LENGTH - len("Subject: ") for word in self.split(" "))
        charset = "us-ascii" if is_plain and not has_long_word else "utf-8"
        header = Header(str(self), charset, maxlinelen=MAX_LINE_LENGTH, header_name=self.name)
        return f"{self.name}: {header.encode(linesep=policy.linesep)}{policy.linesep}"


def message_id_header(task: OutboxTask, account: Account) -> str:
    """Return the Message-ID of a mail: the same at each attempt, so that a duplicate can be recognized."""
    domain = re.sub(r"[^A-Za-z0-9.-]+", "-", account.realm or account.name).strip("-.") or "localhost"
    return f"<{task.uid}.{task.message_id or task.box_id}@{domain}>"


def compose(
    task: OutboxTask, account: Account, sender: str, content: MailContent, attachment: Attachment | None
) -> bytes:
    """Return a mail with text, HTML and the attachment. Raises `ValueError` for an invalid address.

    The addresses are parsed by the mail library: they were checked when they were stored. File names that are not
    ASCII are written as RFC 2231 says, so mail programs show them in their own script.
    """
    recipient = to_smtp(task.target)
    mail = EmailMessage(policy=policy.SMTP if recipient.isascii() else policy.SMTPUTF8)
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = _Subject(content.subject)
    mail["Date"] = format_rfc5322_date(datetime.fromtimestamp(task.created_at, UTC))
    mail["Message-ID"] = message_id_header(task, account)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(content.plain_text)
    if content.html:
        mail.add_alternative(content.html, subtype="html")
    if attachment:
        maintype, subtype = MIME_TYPES[attachment.extension]
        mail.add_attachment(attachment.content, maintype=maintype, subtype=subtype, filename=attachment.filename)
    return mail.as_bytes()


class MailComposer:
    """Composes mails as they are sent to the mail server. `sender`: the address of all mails."""

    def __init__(self, *, templates: MailTemplates, audio: MailAudio, capacity: Capacity, sender: str) -> None:
        self._templates = templates
        self._audio = audio
        self._capacity = capacity
        self._sender = sender

    async def compose(
        self, task: OutboxTask, mailbox: Mailbox, message: Message | None, *, omit: Omission | None = None
    ) -> tuple[bytes, bool]:
        """Return a mail, and whether the audio of its message is attached.

        `omit`: why the audio is not attached. Raises `AudioUnavailable`, `NotificationUndeliverable` for an invalid
        address.
        """
        occupancy = await self._capacity.occupancy(mailbox)
        is_short = task.payload["template"] == SHORT_MAIL
        audio = await self._audio.select(mailbox, message, omit=omit) if message and not is_short else NO_AUDIO

        def build_variables(language: str) -> dict[str, Any]:
            if message is None:
                return box_variables(mailbox, occupancy)
            return message_variables(mailbox, occupancy, message, audio, language)

        own = OwnTemplates()
        if task.payload["template"] == TEMPLATES[TaskKind.NEW]:
            own = OwnTemplates(mailbox.settings.mail_subject, mailbox.settings.mail_text)
        mail = await self._compose(task, mailbox.account, mailbox.language, build_variables, audio.attachment, own)
        return mail, audio.attachment is not None

    async def compose_account_mail(self, task: OutboxTask, account: Account) -> bytes:
        """Return a mail about an account. Raises `NotificationUndeliverable` for an invalid address."""
        variables = account_variables(account)
        return await self._compose(task, account, account.language, lambda language: variables, None)

    async def _compose(
        self,
        task: OutboxTask,
        account: Account,
        language: str,
        build_variables: BuildVariables,
        attachment: Attachment | None,
        own: OwnTemplates = NO_OWN_TEMPLATES,
    ) -> bytes:
        """Compose in a thread: a large attachment takes a second to encode, and a template of the site may be slow."""

        def compose_sync() -> bytes:
            name = str(task.payload["template"])
            content = self._templates.render(name, account, language, build_variables, own)
            return compose(task, account, self._sender, content, attachment)

        try:
            return await asyncio.to_thread(compose_sync)
        except ValueError as error:
            raise NotificationUndeliverable(f"invalid address {task.target!r} or mail.sender: {error}") from error
