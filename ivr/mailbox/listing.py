"""Lists: the contract of whatever can page through boxes and messages by key.

A page is found along one index, behind the key of the last thing seen, never by counting rows: a page of 50 out of a
million costs what a page out of a hundred costs. Where a filter leaves little, at most `LOOKED_AT` rows are looked at;
the page is shorter then, and has a key to go on with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, TypeVar

from ivr.mailbox.box_settings import Box
from ivr.storage.records import BoxRecord, Counts, Folder, Message

LOOKED_AT = 5_000
"""Rows that one page looks at, at most."""

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """A message as a list shows it."""

    message: Message
    changed_at: int
    """Unix seconds at which it came to its folder."""

    @property
    def key(self) -> tuple[int, str]:
        """Its place in a list."""
        return (self.message.time, self.message.id)


@dataclass(frozen=True)
class ListedBox:
    """A box as a list shows it."""

    row: BoxRecord
    counts: Counts
    created_at: int
    changed_at: int

    @cached_property
    def settings(self) -> Box:
        """The document as a model, to be looked at."""
        return Box.model_validate({"hunt": False, **self.row.settings})

    @property
    def key(self) -> tuple[str, str]:
        """Its place in a list."""
        return (str(self.row.settings["mailbox"]), self.row.id)


@dataclass(frozen=True, slots=True)
class MessagesWanted:
    """Which messages. `fits` is asked last, about what the other members let through."""

    limit: int
    fits: Callable[[ListedMessage], bool]
    after: tuple[int, str] | None = None
    ascending: bool = False
    since: int = 0
    """Unix seconds, this one included."""
    until: int = 2**62
    folder: Folder | None = None
    caller: str | None = None
    """Number; only one of the last two has an index at a time, and only for one box."""


@dataclass(frozen=True, slots=True)
class BoxesWanted:
    """Which boxes, in the order of their numbers."""

    limit: int
    fits: Callable[[ListedBox], bool]
    after: tuple[str, str] | None = None
    ascending: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[T, K]):
    """Some of them; `next` is the key to go on behind, None after the last."""

    found: Sequence[T]
    next: K | None


class Lists(Protocol):
    """What can be listed. All raise `StoreError`."""

    async def messages_of_account(
        self, account_id: str, wanted: MessagesWanted
    ) -> Page[ListedMessage, tuple[int, str]]:
        """Of all boxes of an account, newest first unless `ascending`."""

    async def messages_of_boxes(
        self, box_ids: Sequence[str], wanted: MessagesWanted
    ) -> Page[ListedMessage, tuple[int, str]]:
        """Of these boxes, newest first unless `ascending`."""

    async def boxes(self, account_id: str, wanted: BoxesWanted) -> Page[ListedBox, tuple[str, str]]:
        """Boxes of an account, with their counts."""
