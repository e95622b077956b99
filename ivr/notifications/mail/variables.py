"""The variables of mail templates."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime

from ivr import __version__
from ivr.clock import date_of
from ivr.directory.models import Account, User
from ivr.mailbox.boxes import to_document
from ivr.mailbox.caller_id import identify
from ivr.mailbox.mailbox import Mailbox, Occupancy
from ivr.notifications.mail.audio import MailedAudio, Omission
from ivr.storage.records import MEGABYTE, Caller, Message
from ivr.validation.text import to_single_line

DATE_PATTERNS = {
    "de": "EEEE, d. MMMM y 'um' HH:mm 'Uhr' (zzzz)",
    "en": "EEEE, MMMM d, y 'at' HH:mm (zzzz)",
    "es": "EEEE, d 'de' MMMM 'de' y, HH:mm (zzzz)",
    "fr": "EEEE d MMMM y 'à' HH:mm (zzzz)",
    "it": "EEEE d MMMM y, HH:mm (zzzz)",
    "pt": "EEEE, d 'de' MMMM 'de' y, HH:mm (zzzz)",
}
"""Patterns of languages whose longest form in CLDR is not the usual one in mails; all name the zone."""
UNKNOWN_CALLER = {
    "de": "unbekannt",
    "en": "unknown caller",
    "es": "desconocido",
    "fr": "inconnu",
    "it": "sconosciuto",
    "nl": "onbekend",
    "pl": "nieznany",
    "pt": "desconhecido",
}
"""What is shown of a caller without name and number, by language; in any other language a question mark."""


def box_variables(mailbox: Mailbox, occupancy: Occupancy) -> dict[str, Any]:
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
            "max_messages": occupancy.max_messages,
            "message_count": occupancy.messages,
            "new_count": occupancy.new_messages,
            "saved_count": occupancy.messages - occupancy.new_messages,
            "used_mb": _used_mb(occupancy),
            "quota_mb": occupancy.quota_bytes // MEGABYTE,
            "has_too_many_messages": occupancy.has_too_many_messages,
            "is_out_of_space": occupancy.is_out_of_space,
            "is_full": occupancy.is_full,
        },
        "user": _user_variables(mailbox.owner, mailbox),
        "owner": _user_variables(mailbox.owner, mailbox),
        **account_variables(mailbox.account),
    }


def account_variables(account: Account) -> dict[str, Any]:
    """Return the variables of a mail about an account."""
    return {
        "account": account.model_dump(include={"id", "name", "realm", "language", "timezone"}),
        "system": {"name": "ivr", "version": __version__},
    }


def message_variables(
    mailbox: Mailbox, occupancy: Occupancy, message: Message, audio: MailedAudio, language: str
) -> dict[str, Any]:
    """Return the variables of a mail about a message. `language`: of the templates; dates are written in it."""
    variables = box_variables(mailbox, occupancy)
    attachment, link = audio.attachment, audio.link
    variables["voicemail"] |= {
        "msg_id": message.id,
        "transcription": transcription_text(message) if mailbox.settings.include_transcription_on_notify else "",
        "length": _format_duration(message.length_ms),
        "length_ms": message.length_ms,
        "urgent": message.urgent,
        "forwarded_by": _forwarder_text(message),
        "file_name": attachment.filename if attachment else "",
        "file_type": attachment.extension if attachment else "",
        "file_size": len(attachment.content) if attachment else 0,
        "too_large": audio.omission is Omission.TOO_LARGE,
        "unreadable": audio.omission in (Omission.UNREADABLE, Omission.REFUSED),
        "link": link.url if link else "",
        "link_expires": format_date(mailbox.local_time(link.expires_at), language) if link else "",
    }
    return {
        **variables,
        "caller_id": _caller_variables(message.caller, language),
        "callee_id": _caller_variables(Caller(mailbox.number, mailbox.settings.name), language),
        "from": _parse_sip_uri(message.from_uri),
        "to": _parse_sip_uri(message.to_uri),
        "date_called": {
            "local": format_date(mailbox.local_time(message.time), language),
            "utc": f"{date_of(message.time, UTC):%Y-%m-%d %H:%M:%S} UTC",
        },
        "call_id": message.call_id,
    }


def transcription_text(message: Message) -> str:
    """Return the text of a message's transcription; "" when there is none or it failed."""
    if not message.transcription:
        return ""
    try:
        stored = json.loads(message.transcription)
    except ValueError:
        return message.transcription
    return str(stored.get("text") or "") if isinstance(stored, dict) and stored.get("result") == "success" else ""


def format_date(local: datetime, language: str) -> str:
    """Return date, time and zone in a language; in English where the language is unknown."""
    try:
        locale = Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        locale = Locale("en")
    return str(format_datetime(local, DATE_PATTERNS.get(locale.language, "full"), locale=locale))


def _user_variables(user: User | None, mailbox: Mailbox) -> dict[str, str]:
    settings = user.settings if user else {}
    name = user.name if user else ""
    return {
        "first_name": str(settings.get("first_name") or name),
        "last_name": str(settings.get("last_name") or ""),
        "email": (user and user.email) or "",
        "username": (user and user.username) or name,
        "timezone": (user and user.timezone) or mailbox.account.timezone,
    }


def _caller_variables(caller: Caller, language: str) -> dict[str, str]:
    identity = identify(caller)
    name, number = to_single_line(identity.name), to_single_line(identity.number)
    name_and_number = f"{name} ({number})" if name and number and name != number else name or number
    name_and_number = name_and_number or UNKNOWN_CALLER.get(language, "?")
    return {"name": name, "number": number, "name_number": name_and_number}


def _forwarder_text(message: Message) -> str:
    """Return "Alice (1000)"; "" for a message that was not forwarded."""
    sender = message.forwarded_by
    return to_single_line(f"{sender.name} ({sender.number})") if sender else ""


def _parse_sip_uri(uri: str) -> dict[str, str]:
    user, _, realm = to_single_line(uri).partition("@")
    return {"user": user, "realm": realm}


def _used_mb(occupancy: Occupancy) -> int | float:
    """Return megabytes, rounded up; of a quota below 10 MB in tenths."""
    if occupancy.quota_bytes >= 10 * MEGABYTE:
        return -(-occupancy.size_bytes // MEGABYTE)
    tenths = -(-occupancy.size_bytes // (MEGABYTE // 10))
    return tenths // 10 if tenths % 10 == 0 else tenths / 10


def _format_duration(ms: int) -> str:
    """Return a duration as HH:MM:SS."""
    s = round(ms / 1000)
    return f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}"
