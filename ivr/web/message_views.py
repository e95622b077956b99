"""A message as the page shows it: names, times and transcripts as text."""

from __future__ import annotations

import json
from dataclasses import dataclass

from babel.dates import format_date, format_datetime, format_time

from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.uploads import ANONYMOUS
from ivr.storage.records import Folder, Message
from ivr.validation.text import without_control_characters
from ivr.web.texts import Translator

SNIPPET_LENGTH = 120
MAX_SPOKEN_TOGETHER = 24
"""Words of the speech recognition that may stand for one word of the text, as for the digits of a number."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of a transcript, and when it is said, in milliseconds from the start; None: that is not known."""

    text: str
    start_ms: int | None = None
    end_ms: int | None = None


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
    words: tuple[TimedWord, ...]
    """The words of the transcript with their times; empty: only the text is known."""
    forwarded_by: str
    labels: tuple[str, ...]

    def snippet(self, search: str = "") -> str:
        """Return the beginning of the transcript, or the part with the first of the words of a search."""
        text = " ".join(self.transcript.split())
        found = [text.lower().find(word) for word in search.lower().split()]
        place = min((at for at in found if at >= 0), default=0)
        start = text.rfind(" ", 0, place - SNIPPET_LENGTH // 3) + 1 if place > SNIPPET_LENGTH // 2 else 0
        shown = text[start : start + SNIPPET_LENGTH].rstrip()
        return f"{'…' if start else ''}{shown}{'…' if start + SNIPPET_LENGTH < len(text) else ''}"


def view_message(
    message: Message, mailbox: Mailbox, translate: Translator, now: float, *, with_words: bool = False
) -> MessageView:
    """Return what is shown of a message, in the time zone of its mailbox. `now`: Unix seconds."""
    at = mailbox.local_time(message.time)
    locale = translate.locale
    is_today = at.date() == mailbox.local_time(now).date()
    number, name = (_shown(text) for text in (message.caller.number, message.caller.name))
    forwarder = message.forwarded_by
    sender = (forwarder.name, forwarder.number) if forwarder else ()
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
        words=timed_words(message.transcription) if with_words else (),
        forwarded_by=" ".join(filter(None, map(without_control_characters, sender))),
        labels=message.labels,
    )


def _shown(text: str) -> str:
    return "" if text == ANONYMOUS else without_control_characters(text)


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


def timed_words(stored: str | None) -> tuple[TimedWord, ...]:
    """Return the words of a stored transcript with their times; empty if it has no times.

    The text may differ from what was recognised: digits that were said one by one are one number. Such a word has the
    time of all that it stands for.
    """
    spoken = _spoken_words(stored)
    tokens = transcript_text(stored).split() if spoken else []
    words, place = [], 0
    for index, token in enumerate(tokens):
        if place >= len(spoken):
            words.append(TimedWord(token))
            continue
        end = place + 1
        if _plain(token) != _plain(spoken[place][0]) and index + 1 < len(tokens):
            following = _plain(tokens[index + 1])
            ahead = range(place + 1, min(place + MAX_SPOKEN_TOGETHER, len(spoken)))
            end = next((at for at in ahead if _plain(spoken[at][0]) == following), end)
        elif index + 1 == len(tokens):
            end = len(spoken)
        words.append(TimedWord(token, spoken[place][1], spoken[end - 1][2]))
        place = end
    return tuple(words)


def _spoken_words(stored: str | None) -> list[tuple[str, int, int]]:
    """Return the words of the speech recognition with start and end; of a document of another form none."""
    try:
        document = json.loads(stored or "")
    except ValueError:
        return []
    words = document.get("words") if isinstance(document, dict) else None
    if not isinstance(words, list):
        return []
    found = [
        (word["word"], word["start_ms"], word["end_ms"])
        for word in words
        if isinstance(word, dict)
        and isinstance(word.get("word"), str)
        and type(word.get("start_ms")) is int
        and type(word.get("end_ms")) is int
    ]
    return found if len(found) == len(words) else []


def _plain(word: str) -> str:
    return "".join(filter(str.isalnum, word.casefold()))
