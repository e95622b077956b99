"""File names of downloads: caller and time, in characters that every file system accepts."""

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
    """Return a name such as `6001_2016-05-10_00-18-42.mp3`, in the time zone of the box."""
    caller = next(
        (text for text in (message.caller.number, message.caller.name) if text and text != ANONYMOUS), UNKNOWN
    )
    return f"{_sanitize(caller)}_{mailbox.local_time(message.time):%Y-%m-%d_%H-%M-%S}{extension}"


def greeting_filename(mailbox: Mailbox, kind: str, extension: str) -> str:
    """Return a name such as `unavailable_3000.mp3`. The number of a box may be any text."""
    return f"{kind}_{_sanitize(mailbox.number)}{extension}"


def content_disposition(filename: str) -> str:
    """Return the Content-Disposition header of a download."""
    return f"attachment; filename=\"{filename}\"; filename*=UTF-8''{quote(filename)}"


class UniqueFilenames:
    """Makes file names unique, compared without regard to case."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def reserve(self, name: str) -> str:
        """Return `name`, with a number appended if it is in use."""
        stem, dot, extension = name.rpartition(".")
        n = self._counts.get(name.lower(), 0) + 1
        self._counts[name.lower()] = n
        return name if n == 1 else self.reserve(f"{stem}_{n}{dot}{extension}")


def _sanitize(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9+-]+", "_", ascii_text).strip("_")[:MAX_STEM_LENGTH] or UNKNOWN
