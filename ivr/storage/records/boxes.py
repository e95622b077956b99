"""Records of mailboxes, greetings and recordings in progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from ivr.storage.records.messages import Folder, FolderCounts, Message

MEGABYTE = 1_000_000
"""Bytes; the unit of `quota_mb`."""


@dataclass(frozen=True, slots=True)
class BoxRecord:
    """One row of `boxes`. `settings`: the document of `BoxSettings`, including unknown keys."""

    id: str
    account_id: str
    settings: Mapping[str, Any]
    revision: int = 1


@dataclass(frozen=True, slots=True)
class BoxNumberUse:
    """A mailbox that has a number, and the names of its account."""

    box_id: str
    account_id: str
    account_name: str
    realm: str


@dataclass(frozen=True, slots=True)
class BoxUsage:
    """What a mailbox holds, and when it was used. Times are Unix seconds."""

    counts: FolderCounts
    size_bytes: int
    """Of all messages and greetings."""
    oldest_at: int | None
    """Time of the oldest message that is not in `deleted`."""
    last_sign_in_at: int | None
    light_published_at: int | None


class MediaKind(StrEnum):
    """The use of an owner's recording; the values are keys of a mailbox's `media`."""

    UNAVAILABLE = "unavailable"
    BUSY = "busy"
    TEMPORARY = "temporary_unavailable"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A greeting or a name; its audio lies at `<account>/media/<id>.wav`."""

    id: str
    account_id: str
    box_id: str
    kind: MediaKind
    length_ms: int
    bytes: int
    created_at: int
    """Unix seconds."""
    source: str = "recording"
    """"recording": recorded by phone; "upload": uploaded by a program, and never deleted when it is replaced."""
    content_type: str = "audio/x-wav"
    """Content type of the upload."""


class RecordingPurpose(StrEnum):
    """What a recording in progress will be."""

    MESSAGE = "message"
    INTRO = "intro"
    GREETING = "greeting"
    BUSY_GREETING = "busy"
    TEMPORARY_GREETING = "temporary"
    NAME = "name"


class TakeState(StrEnum):
    """The state of a take."""

    RECORDING = "recording"
    UNDER_REVIEW = "reviewed"
    """Recorded; the caller reviews it."""
    AWAITING_OWNER = "awaiting_owner"
    """A greeting or a name whose call ended before its owner decided: the next sign-in asks the owner."""


@dataclass(frozen=True, slots=True)
class Take:
    """A recording in progress: a row, committed before the beep, and a growing file."""

    id: str
    account_id: str
    box_id: str
    purpose: RecordingPurpose
    channel: str
    path: str
    began_at: int
    """Unix seconds."""
    state: TakeState = TakeState.RECORDING
    call_id: str = ""
    caller_number: str = ""
    caller_name: str = ""
    payload: Mapping[str, Any] | None = None
    """What recovery needs: the id of the future message; for an intro, the forwarded message and its recipients."""
    node: str | None = None
    """The node whose Asterisk records it, in its own folder; None: an earlier version did not store it."""


MAX_ROWS_SCANNED = 5_000
"""Rows that are read for one page at most."""

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class MessageSummary:
    """A message in a list."""

    message: Message
    folder_changed_at: int
    """Unix seconds at which it entered its folder."""

    @property
    def sort_key(self) -> tuple[int, str]:
        """The key by which lists are sorted and continued."""
        return (self.message.time, self.message.id)


@dataclass(frozen=True, slots=True)
class BoxSummary:
    """A mailbox in a list, with its counts. Times are Unix seconds."""

    record: BoxRecord
    counts: FolderCounts
    created_at: int
    modified_at: int

    @property
    def sort_key(self) -> tuple[str, str]:
        """The key by which lists are sorted and continued."""
        return (str(self.record.settings["mailbox"]), self.record.id)


MAX_SEARCH_LENGTH = 200
"""Characters of the text of a search."""


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """A query for messages. `matches` filters the rows that the other members select."""

    limit: int
    matches: Callable[[MessageSummary], bool]
    after: tuple[int, str] | None = None
    ascending: bool = False
    since: int = 0
    """Unix seconds, inclusive, as is `until`."""
    until: int = 2**62
    not_before: int = 0
    """Unix seconds; messages whose retention began earlier are past it."""
    folder: Folder | None = None
    caller_number: str | None = None
    """Of `folder` and `caller_number` only one is looked up in an index, and only within one mailbox."""
    search: str = ""
    """Words that name or number of the caller, or the transcript, must have; "": all messages."""
    matches_key: str | None = None
    """Names what `matches` does: the page of an equal query with an equal name may be reused. None: it may not."""


@dataclass(frozen=True, slots=True)
class BoxQuery:
    """A query for mailboxes, in the order of their numbers."""

    limit: int
    matches: Callable[[BoxSummary], bool]
    after: tuple[str, str] | None = None
    ascending: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[T, K]):
    """One page of a list; `next_key` continues it, None after the last page."""

    items: Sequence[T]
    next_key: K | None
