"""Records of lists: queries and pages.

A page is found along one index, after the key of the last item, never by counting rows: a page of 50 out of a million
costs what a page out of a hundred costs. If a filter leaves few rows, at most `MAX_ROWS_SCANNED` are read: the page is
shorter then, and its key continues the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ivr.storage.records.boxes import BoxRecord
from ivr.storage.records.messages import Folder, FolderCounts, Message

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
    folder: Folder | None = None
    caller_number: str | None = None
    """Of `folder` and `caller_number` only one is looked up in an index, and only within one mailbox."""


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
