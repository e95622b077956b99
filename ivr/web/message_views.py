"""A message as the page shows it: names, times and transcripts as text."""

from __future__ import annotations

import json
from dataclasses import dataclass

from babel.dates import format_date, format_datetime, format_time

from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.uploads import ANONYMOUS
from ivr.storage.records import Folder, Message
from ivr.web.texts import Translator

SNIPPET_LENGTH = 120


@dataclass(frozen=True, slots=True)
class MessageView:
    """What templates show of a message. All text is untrusted: templates escape it."""

    id: str
    caller: str
    number: str
    when: str
    when_long: str
    when_iso: str
    length: str
    length_ms: int
    intro_ms: int
    folder: Folder
    urgent: bool
    has_audio: bool
    transcript: str
    forwarded_by: str

    def snippet(self, search: str = "") -> str:
        """Return the beginning of the transcript, or the part with the first of the words of a search."""
        text = " ".join(self.transcript.split())
        found = [text.lower().find(word) for word in search.lower().split()]
        place = min((at for at in found if at >= 0), default=0)
        start = text.rfind(" ", 0, place - SNIPPET_LENGTH // 3) + 1 if place > SNIPPET_LENGTH // 2 else 0
        shown = text[start : start + SNIPPET_LENGTH].rstrip()
        return f"{'…' if start else ''}{shown}{'…' if start + SNIPPET_LENGTH < len(text) else ''}"


def view_message(message: Message, mailbox: Mailbox, translate: Translator, now: float) -> MessageView:
    """Return what is shown of a message, in the time zone of its mailbox. `now`: Unix seconds."""
    at = mailbox.local_time(message.time)
    locale = translate.language
    is_today = at.date() == mailbox.local_time(now).date()
    number, name = (_shown(text) for text in (message.caller.number, message.caller.name))
    forwarder = message.forwarded_by
    return MessageView(
        id=message.id,
        caller=name or number or translate("unknown_caller"),
        number=number if name and name != number else "",
        when=format_time(at, "short", locale=locale) if is_today else format_date(at, "medium", locale=locale),
        when_long=format_datetime(at, "medium", locale=locale),
        when_iso=at.isoformat(),
        length=format_length(message.length_ms),
        length_ms=message.length_ms,
        intro_ms=message.intro_ms if message.intro_id else 0,
        folder=message.folder,
        urgent=message.urgent,
        has_audio=message.has_audio,
        transcript=transcript_text(message.transcription),
        forwarded_by=" ".join(filter(None, (forwarder.name, forwarder.number))) if forwarder else "",
    )


def _shown(text: str) -> str:
    return "" if text == ANONYMOUS else text


def format_length(ms: int) -> str:
    """Return a length as `1:05`."""
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes}:{seconds:02}"


def transcript_text(stored: str | None) -> str:
    """Return the text of a stored transcript; "" if there is none or it failed."""
    if not stored:
        return ""
    try:
        document = json.loads(stored)
    except ValueError:
        return stored
    if not isinstance(document, dict):
        return stored
    return str(document.get("text") or "") if document.get("result", "success") == "success" else ""
