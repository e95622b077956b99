"""Names of files that people take away: who and when, and safe on every system."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.uploads import ANONYMOUS
from ivr.storage.records import Message

MAX_STEM_LENGTH = 60
UNKNOWN = "unknown"


def message_filename(mailbox: Mailbox, message: Message, extension: str) -> str:
    """Such as `6001_2016-05-10_00-18-42.mp3`, by the clock of the box."""
    known = [who for who in (message.caller.number, message.caller.name) if who and who != ANONYMOUS]
    return (
        f"{_sanitize(known[0] if known else UNKNOWN)}_{mailbox.local_time(message.time):%Y-%m-%d_%H-%M-%S}{extension}"
    )


def greeting_filename(mailbox: Mailbox, kind: str, extension: str) -> str:
    """Such as `unavailable_3000.mp3`; a number may be any text."""
    return f"{kind}_{_sanitize(mailbox.number)}{extension}"


def content_disposition(filename: str) -> str:
    """The Content-Disposition header of a download."""
    return f"attachment; filename=\"{filename}\"; filename*=UTF-8''{quote(filename)}"


class UniqueFilenames:
    """Gives no name twice, not even in other capitals."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def reserve(self, name: str) -> str:
        """`name`, or one like it."""
        stem, dot, extension = name.rpartition(".")
        n = self._counts.get(name.lower(), 0) + 1
        self._counts[name.lower()] = n
        return name if n == 1 else self.reserve(f"{stem}_{n}{dot}{extension}")


def _sanitize(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9+-]+", "_", plain).strip("_")[:MAX_STEM_LENGTH] or UNKNOWN
