"""Lists: the contract of whatever can page through boxes and messages by key.

A page is found along one index, behind the key of the last thing seen, never by counting rows: a page of 50 out of a
million costs what a page out of a hundred costs. Where a filter leaves little, at most `SCAN_LIMIT` rows are looked at;
the page is shorter then, and has a key to go on with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, TypeVar

from ivr.mailbox.box_settings import BoxSettings
from ivr.storage.records import BoxRecord, Folder, FolderCounts, Message

MAX_ROWS_SCANNED = 5_000
"""Rows that one page looks at, at most."""

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class MessageSummary:
    """A message as a list shows it."""

    message: Message
    folder_changed_at: int
    """Unix seconds at which it came to its folder."""

    @property
    def sort_key(self) -> tuple[int, str]:
        """Its place in a list."""
        return (self.message.time, self.message.id)


@dataclass(frozen=True)
class BoxSummary:
    """A box as a list shows it."""

    record: BoxRecord
    counts: FolderCounts
    created_at: int
    modified_at: int

    @cached_property
    def settings(self) -> BoxSettings:
        """The document as a model, to be looked at."""
        return BoxSettings.model_validate({"hunt": False, **self.record.settings})

    @property
    def sort_key(self) -> tuple[str, str]:
        """Its place in a list."""
        return (str(self.record.settings["mailbox"]), self.record.id)


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """Which messages. `fits` is asked last, about what the other members let through."""

    limit: int
    matches: Callable[[MessageSummary], bool]
    after: tuple[int, str] | None = None
    ascending: bool = False
    since: int = 0
    """Unix seconds, this one included."""
    until: int = 2**62
    folder: Folder | None = None
    caller_number: str | None = None
    """Number; only one of the last two has an index at a time, and only for one box."""


@dataclass(frozen=True, slots=True)
class BoxQuery:
    """Which boxes, in the order of their numbers."""

    limit: int
    matches: Callable[[BoxSummary], bool]
    after: tuple[str, str] | None = None
    ascending: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[T, K]):
    """Some of them; `next` is the key to go on behind, None after the last."""

    items: Sequence[T]
    next_key: K | None


class ListingStore(Protocol):
    """What can be listed. All raise `StoreError`."""

    async def list_account_messages(
        self, account_id: str, query: MessageQuery
    ) -> Page[MessageSummary, tuple[int, str]]:
        """Of all boxes of an account, newest first unless `ascending`."""

    async def list_box_messages(
        self, box_ids: Sequence[str], query: MessageQuery
    ) -> Page[MessageSummary, tuple[int, str]]:
        """Of these boxes, newest first unless `ascending`."""

    async def list_boxes(self, account_id: str, query: BoxQuery) -> Page[BoxSummary, tuple[str, str]]:
        """Boxes of an account, with their counts."""
