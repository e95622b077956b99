"""A mail as it goes to the server."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

from ivr.directory.people import Account
from ivr.notify.mail.macros import Attachment
from ivr.notify.mail.templates import Text
from ivr.notify.outbox import Row

TYPES = {"mp3": ("audio", "mpeg"), "mp4": ("audio", "mp4"), "wav": ("audio", "wav")}


def message_id(row: Row, account: Account) -> str:
    """The same for every attempt: a mail server, or a person, can tell a double. The message's id makes it unique
    among installations."""
    domain = re.sub(r"[^A-Za-z0-9.-]+", "-", account.realm or account.name).strip("-.") or "localhost"
    return f"<{row.id}.{row.message_id or row.box_id}@{domain}>"


def compose(row: Row, account: Account, sender: str, text: Text, audio: Attachment | None) -> bytes:
    """Text and HTML, with the audio attached. Raises ValueError for an address that is none."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = sender
    mail["To"] = row.about
    mail["Subject"] = text.subject
    mail["Date"] = format_datetime(datetime.fromtimestamp(row.created_at, UTC))
    mail["Message-ID"] = message_id(row, account)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(text.text)
    mail.add_alternative(text.html, subtype="html")
    if audio and audio.content is not None:
        maintype, subtype = TYPES[audio.extension]
        mail.add_attachment(audio.content, maintype=maintype, subtype=subtype, filename=audio.name)
    return mail.as_bytes()
