"""Mails: templates, the context they are filled with, and the finished message."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime as format_rfc5322_date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader, StrictUndefined, TemplateError, TemplateNotFound
from jinja2.sandbox import SandboxedEnvironment

from ivr import __version__
from ivr.directory.models import Account, User
from ivr.mailbox.boxes import to_document
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Caller, FolderCounts, Message, OutboxTask

DATE_PATTERNS = {"en": "EEEE, MMMM d, y 'at' HH:mm"}
MAX_CALLER_LENGTH = 100
_INVISIBLE_CHARACTERS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]+"
)


def to_single_line(text: str) -> str:
    """Collapse a text to one line of visible characters.

    A caller chooses name and number freely, and both appear in headers and file names.
    """
    return " ".join(_INVISIBLE_CHARACTERS.sub(" ", text).split())


@dataclass(frozen=True, slots=True)
class Attachment:
    """The audio of a message as a mail attachment. `content` is None when it is too large to be attached."""

    filename: str
    extension: str
    content: bytes | None


def attachment_filename(mailbox: Mailbox, message: Message) -> str:
    """Return `<caller>_<date>_<time>.<extension>` in lower case, with `_` for blanks, URL-encoded as in Kazoo."""
    caller = to_single_line(message.caller.name or message.caller.number or "unknown")[:MAX_CALLER_LENGTH]
    date = f"{mailbox.local_time(message.time):%Y-%m-%d_%H-%M-%S}"
    name = f"{caller}_{date}.{mailbox.settings.media_extension}".lower().replace(" ", "_")
    return quote(name, safe="+").lstrip(".")


def transcription_text(message: Message) -> str:
    """Return the text of a message's transcription; "" when there is none or it failed."""
    if not message.transcription:
        return ""
    try:
        stored = json.loads(message.transcription)
    except ValueError:
        return message.transcription
    return str(stored.get("text") or "") if isinstance(stored, dict) and stored.get("result") == "success" else ""


def box_context(mailbox: Mailbox, counts: FolderCounts) -> dict[str, Any]:
    """Return the variables of a mail about a box."""
    box = mailbox.settings
    return {
        "voicemail": {
            **{key: value for key, value in to_document(box).items() if key != "pin_secret_ref"},
            "id": mailbox.id,
            "name": box.name,
            "box": mailbox.number,
            "number": mailbox.number,
            "vmbox_id": mailbox.id,
            "vmbox_name": box.name,
            "vmbox_number": mailbox.number,
            "vmbox_include_message_on_notify": box.include_message_on_notify,
            "max_messages": mailbox.voicemail_settings.max_message_count,
            "message_count": counts.new + counts.saved,
            "new_count": counts.new,
            "saved_count": counts.saved,
        },
        "user": _user_context(mailbox.owner, mailbox),
        "owner": _user_context(mailbox.owner, mailbox),
        "account": {
            "id": mailbox.account.id,
            "name": mailbox.account.name,
            "realm": mailbox.account.realm,
            "language": mailbox.account.language,
            "timezone": mailbox.account.timezone,
        },
        "system": {"name": "ivr", "version": __version__},
    }


def message_context(
    mailbox: Mailbox, counts: FolderCounts, message: Message, attachment: Attachment | None
) -> dict[str, Any]:
    """Return the variables of a mail about a message."""
    context = box_context(mailbox, counts)
    context["voicemail"] |= {
        "msg_id": message.id,
        "transcription": transcription_text(message) if mailbox.settings.include_transcription_on_notify else "",
        "length": _format_duration(message.length_ms),
        "length_ms": message.length_ms,
        "urgent": message.urgent,
        "file_name": attachment.filename if attachment else "",
        "file_type": attachment.extension if attachment else "",
        "file_size": len(attachment.content) if attachment and attachment.content else 0,
        "too_large": attachment is not None and attachment.content is None,
    }
    return {
        **context,
        "caller_id": _caller_context(message.caller),
        "callee_id": _caller_context(Caller(mailbox.number, mailbox.settings.name)),
        "from": _parse_sip_uri(message.from_uri),
        "to": _parse_sip_uri(message.to_uri),
        "date_called": {
            "local": _format_date(mailbox.local_time(message.time), mailbox.language),
            "utc": f"{datetime.fromtimestamp(message.time, UTC):%Y-%m-%d %H:%M:%S} UTC",
        },
        "call_id": message.call_id,
    }


def _user_context(user: User | None, mailbox: Mailbox) -> dict[str, str]:
    settings = user.settings if user else {}
    name = user.name if user else ""
    return {
        "first_name": str(settings.get("first_name") or name),
        "last_name": str(settings.get("last_name") or ""),
        "email": (user and user.email) or "",
        "username": (user and user.username) or name,
        "timezone": (user and user.timezone) or mailbox.account.timezone,
    }


def _caller_context(caller: Caller) -> dict[str, str]:
    name, number = to_single_line(caller.name), to_single_line(caller.number)
    name_and_number = f"{name} ({number})" if name and number and name != number else name or number or "unknown caller"
    return {"name": name, "number": number, "name_number": name_and_number}


def _parse_sip_uri(uri: str) -> dict[str, str]:
    user, _, realm = to_single_line(uri).partition("@")
    return {"user": user, "realm": realm}


def _format_duration(ms: int) -> str:
    """Return a duration as HH:MM:SS."""
    s = round(ms / 1000)
    return f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}"


def _format_date(local: datetime, language: str) -> str:
    try:
        locale = Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        locale = Locale("en")
    return str(format_datetime(local, DATE_PATTERNS.get(locale.language, "full"), locale=locale))


MIME_TYPES = {"mp3": ("audio", "mpeg"), "mp4": ("audio", "mp4"), "wav": ("audio", "wav")}


def message_id_header(task: OutboxTask, account: Account) -> str:
    """Return the Message-ID of a mail: the same at each attempt, so that a duplicate can be recognized."""
    domain = re.sub(r"[^A-Za-z0-9.-]+", "-", account.realm or account.name).strip("-.") or "localhost"
    return f"<{task.uid}@{domain}>"


def compose(
    task: OutboxTask, account: Account, sender: str, content: MailContent, attachment: Attachment | None
) -> bytes:
    """Return a mail with text, HTML and the attachment. Raises `ValueError` for an invalid address."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = sender
    mail["To"] = task.target
    mail["Subject"] = content.subject
    mail["Date"] = format_rfc5322_date(datetime.fromtimestamp(task.created_at, UTC))
    mail["Message-ID"] = message_id_header(task, account)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(content.plain_text)
    mail.add_alternative(content.html, subtype="html")
    if attachment and attachment.content is not None:
        maintype, subtype = MIME_TYPES[attachment.extension]
        mail.add_attachment(attachment.content, maintype=maintype, subtype=subtype, filename=attachment.filename)
    return mail.as_bytes()


BUILT_IN_FOLDER = Path(__file__).parent / "templates"
MAX_SUBJECT_LENGTH = 250

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MailContent:
    """The rendered templates of one mail."""

    subject: str
    plain_text: str
    html: str


class MailTemplates:
    """Renders mails. `folder`: the site's own templates; None uses only the built-in ones."""

    def __init__(self, folder: Path | None) -> None:
        loaders = {"builtin": FileSystemLoader(BUILT_IN_FOLDER)}
        if folder:
            loaders["site"] = FileSystemLoader(folder)
        self._environment = SandboxedEnvironment(
            loader=ChoiceLoader([PrefixLoader(loaders)]),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def render(self, name: str, account: Account, language: str, context: Mapping[str, Any]) -> MailContent:
        """Render a mail. `name`: the templates' common name, such as `box_full`. `context`: the variables."""
        subject, plain_text, html = (
            self._render([f"{folder}{name}.{part}" for folder in _search_path(account, language)], context)
            for part in ("subject", "txt", "html")
        )
        return MailContent(to_single_line(subject)[:MAX_SUBJECT_LENGTH], plain_text, html)

    def _render(self, candidates: list[str], context: Mapping[str, Any]) -> str:
        for name in candidates:
            try:
                return self._environment.get_template(name).render(context)
            except TemplateNotFound:
                continue
            except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
                log.error("mail.template_failed", template=name, error=str(error))
        raise TemplateNotFound(candidates[-1])


def _search_path(account: Account, language: str) -> Iterator[str]:
    short = language.replace("_", "-").split("-")[0].lower()
    for owner in (account.name, account.id):
        yield f"site/{owner}/{short}/"
    for owner in (account.name, account.id):
        yield f"site/{owner}/"
    yield from (f"site/{short}/", "site/", f"builtin/{short}/", "builtin/en/")
