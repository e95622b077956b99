"""Composition of a mail as a MIME message."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

from ivr.directory.models import Account
from ivr.notifications.mail.template_context import Attachment
from ivr.notifications.mail.templates import MailContent
from ivr.storage.records import OutboxTask

MIME_TYPES = {"mp3": ("audio", "mpeg"), "mp4": ("audio", "mp4"), "wav": ("audio", "wav")}


def message_id_header(task: OutboxTask, account: Account) -> str:
    """Return the Message-ID of a mail: the same at each attempt, so that a duplicate can be recognized.

    The message's id makes it unique among installations.
    """
    domain = re.sub(r"[^A-Za-z0-9.-]+", "-", account.realm or account.name).strip("-.") or "localhost"
    return f"<{task.id}.{task.message_id or task.box_id}@{domain}>"


def compose(
    task: OutboxTask, account: Account, sender: str, content: MailContent, attachment: Attachment | None
) -> bytes:
    """Return a mail with text, HTML and the attachment. Raises `ValueError` for an invalid address."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = sender
    mail["To"] = task.target
    mail["Subject"] = content.subject
    mail["Date"] = format_datetime(datetime.fromtimestamp(task.created_at, UTC))
    mail["Message-ID"] = message_id_header(task, account)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(content.plain_text)
    mail.add_alternative(content.html, subtype="html")
    if attachment and attachment.content is not None:
        maintype, subtype = MIME_TYPES[attachment.extension]
        mail.add_attachment(attachment.content, maintype=maintype, subtype=subtype, filename=attachment.filename)
    return mail.as_bytes()
