"""What app_voicemail knows of a message, in the spool or in a database: its folders, its fields and what they mean."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import Any, TypeVar

from ivr.storage.records import Caller
from ivr.validation.text import to_single_line

INBOX, OLD, URGENT, DELETED = "INBOX", "Old", "Urgent", "Deleted"
FURTHER_FOLDERS = ("Work", "Family", "Friends", "Cust1", "Cust2", "Cust3", "Cust4", "Cust5")
FOLDERS = (INBOX, URGENT, OLD, *FURTHER_FOLDERS, DELETED)
GREETING_NAMES = ("unavail", "busy", "temp", "greet")
NO_CALLER = frozenset({"", "unknown", "anonymous", "asterisk"})
LATEST_TIME = 4_102_444_800
"""1 January 2100, in Unix seconds: a later time is no time."""
MAX_DURATION_DIGITS = 6
MAX_NAMES, MAX_NAME_LENGTH = 20, 40
"""How many fields a report names, and how much of a name: a damaged file has thousands."""
TEXT_FIELDS = frozenset(
    {
        *("origmailbox", "callerid", "origtime", "duration", "category", "flag", "msg_id"),
        *("context", "macrocontext", "exten", "rdnis", "priority", "callerchan", "origdate"),
    }
)
"""Fields of a message that are taken over, or say how the call came to app_voicemail (docs/moving-in.md)."""

_ID_TIME = re.compile(r"([0-9]{9,10})-[0-9A-Fa-f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppVoicemailMessage(ABC):
    """A message of app_voicemail, wherever it is stored."""

    folder: str
    fields: dict[str, str]
    time: int
    """Unix seconds at which it was left."""
    modified_at: int
    """Unix seconds at which it entered its folder, as far as it is known."""
    warnings: tuple[str, ...] = ()
    source_id: str = ""
    """Identifies it among all messages of the source; set by `with_source_ids`."""

    @property
    def caller(self) -> Caller:
        return parse_caller(self.fields.get("callerid", ""))

    @property
    def origin(self) -> str:
        """The number of the mailbox that it was left in. It is another one for a message that was forwarded."""
        return self.fields.get("origmailbox", "")

    @property
    def is_urgent(self) -> bool:
        return self.folder == URGENT or self.fields.get("flag", "").strip().lower() == "urgent"

    @property
    def labels(self) -> tuple[str, ...]:
        """What tells it apart and has no folder here: its folder, and its category."""
        folder = [self.folder] if self.folder in FURTHER_FOLDERS else []
        category = to_single_line(self.fields.get("category", ""))
        return tuple(dict.fromkeys([*folder, *([category] if category else [])]))

    @property
    def call_id(self) -> str:
        return self.fields.get("msg_id", "")

    @property
    def transcription(self) -> None:
        """app_voicemail has none."""
        return None

    @property
    def expected_s(self) -> int:
        duration = self.fields.get("duration", "")
        is_number = duration.isascii() and duration.isdigit() and len(duration) <= MAX_DURATION_DIGITS
        return int(duration) if is_number else 0

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hash of its content."""


def message_time(fields: dict[str, str], modified_at: int) -> tuple[int, tuple[str, ...]]:
    """Return the time of a message, and why it is not that of `origtime`."""
    text = fields.get("origtime", "")
    if text.isascii() and text.isdigit() and 0 < int(text[:12]) < LATEST_TIME and len(text) < 12:
        return int(text), ()
    if match := _ID_TIME.fullmatch(fields.get("msg_id", "")):
        return int(match[1]), (f"origtime is {text!r}: the time of msg_id is used",)
    return modified_at, (f"origtime is {text!r}: the time of the file is used",)


StoredMessage = TypeVar("StoredMessage", bound=AppVoicemailMessage)


def with_source_ids(messages: list[StoredMessage], box: str) -> list[StoredMessage]:
    """Give each message its id: `msg_id`, with a hash of the content where a mailbox has one twice, or none."""
    used = Counter(message.call_id for message in messages)
    identified: list[StoredMessage] = []
    copies: Counter[str] = Counter()
    for message in messages:
        source_id = f"{box}/{message.call_id}"
        if not message.call_id or used[message.call_id] > 1:
            source_id += f"#{message.fingerprint()[:32]}"
        copies[source_id] += 1
        if copies[source_id] > 1:
            source_id += f"#{copies[source_id]}"
        identified.append(replace(message, source_id=source_id))
    return identified


def further_fields(messages: Iterable[Mapping[str, Any]], known: Collection[str]) -> list[str]:
    """Return a note on the fields of messages that have a value and are not known; none if there are none."""
    counts = Counter(
        str(name) for fields in messages for name, value in fields.items() if name not in known and has_value(value)
    )
    listed = sorted(counts.items())
    names = [f"{to_single_line(name)[:MAX_NAME_LENGTH]} ({count})" for name, count in listed[:MAX_NAMES]]
    rest = f" and {len(listed) - MAX_NAMES} others" if len(listed) > MAX_NAMES else ""
    return [f"fields of messages that have no place here: {', '.join(names)}{rest}"] if names else []


def has_value(value: Any) -> bool:
    """Return whether a field of another system says something. A number or a switch always does."""
    return value is not None and (bool(value) or isinstance(value, (bool, int, float)))


def parse_caller(text: str) -> Caller:
    """Return the caller of `"Ann" <5551>`, `Ann <5551>`, `<5551>` or `5551`; empty for one that is not known."""
    decoded = _decode_words(text.replace('\\"', '"')).strip()
    head, bracket, number = decoded.rpartition("<")
    number = number.removesuffix(">").strip()
    if bracket and ">" not in number:
        name = head.strip().removeprefix('"').removesuffix('"').strip()
    else:
        bare = decoded.strip('"').strip()
        name, number = ("", bare) if re.fullmatch(r"[0-9+*#().\s-]+", bare) else (bare, "")
    return known_caller(number, name)


def known_caller(number: str, name: str) -> Caller:
    """Return a caller without what only says that it is not known."""
    return Caller(
        "" if number.lower() in NO_CALLER else number,
        "" if name.lower() in NO_CALLER or name == number else name,
    )


def _decode_words(text: str) -> str:
    """Decode words as mail headers write them (RFC 2047)."""
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (MessageError, ValueError, LookupError):
        return text
