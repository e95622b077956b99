"""The store contract: what the rules of this room ask of whatever keeps boxes and messages.

Every method is `async` and done when it returns: what it changed is synced to the disk, with its outbox rows and
counters, in one transaction. All raise `StoreError` (or one below it) where the store could not do it; nothing
happened then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ivr.storage.records import (
    BoxQuery,
    BoxRecord,
    BoxSummary,
    ChangeReason,
    Folder,
    FolderCounts,
    MediaKind,
    Message,
    MessageQuery,
    MessageSummary,
    OpenFolder,
    Page,
    StoredMedia,
    Take,
)


class BoxStore(Protocol):
    """Boxes and the numbers they are reached by."""

    async def add(self, box: BoxRecord) -> None:
        """Raises `Conflict` where its number or an alias is in use in the account."""

    async def get(self, box_id: str) -> BoxRecord:
        """Raises `NotFound`."""

    async def find_by_number(self, account_id: str, number: str) -> BoxRecord | None:
        """The box that a mailbox number or alias belongs to."""

    async def list_by_owner(self, account_id: str, owner_id: str, limit: int) -> list[BoxRecord]:
        """At most `limit` boxes of one owner, by number."""

    async def list_by_account(self, account_id: str) -> list[BoxRecord]:
        """All boxes of an account, by number."""

    async def replace(self, box: BoxRecord) -> BoxRecord:
        """New settings; `revision` must be the stored one, and goes up. Raises `NotFound`, `Conflict`."""

    async def soft_delete(self, box_id: str, *, expected_revision: int | None = None) -> None:
        """Soft delete of the box and of its messages.

        Raises `NotFound`; `PreconditionFailed` where its revision is not `seen`.
        """


class MessageStore(Protocol):
    """Messages. `box_id` is always that of the box through which they are seen: elsewhere they do not exist.

    Whatever comes into a box by these takes its room by the quota of that box (docs/dev/decisions/0015): where it does not
    fit, the oldest of `deleted` go until it does, and those are given, for their files are to be taken away. Where it
    does not fit even so, `BoxFull` is raised.
    """

    async def add(
        self,
        message: Message,
        take_id: str | None = None,
        *,
        suppress_notifications: bool = False,
        exempt_from_quota: bool = False,
    ) -> list[Message]:
        """A message whose audio is synced appears, and the take that it was is over; gives what went for it.

        `quiet`: nobody is mailed or called because of it. `said`: somebody was let talk for it, so it is never too
        much. Raises `NotFound` for no box, `BoxFull`.
        """

    async def get(self, box_id: str, message_id: str, not_before: int) -> Message:
        """Raises `NotFound`; `PastRetention` for one left before `not_before` (Unix s)."""

    async def counts(self, box_id: str) -> FolderCounts:
        """How many messages are in each folder."""

    async def expire_and_count(self, account_id: str, box_id: str, not_before: int) -> FolderCounts:
        """The same, once what passed retention (Unix s) is out of sight."""

    async def used_bytes(self, box_id: str, *, exclude_folder: Folder | None = None) -> int:
        """How much a box holds: messages of every folder, or of all but one, and greetings."""

    async def open_folder(
        self, account_id: str, box_id: str, folder: Folder, *, oldest_first: bool, not_before: int
    ) -> tuple[OpenFolder, Message | None]:
        """A folder as it is now, and its first message."""

    async def next_message(self, folder: OpenFolder, after: tuple[bool, int, str] | None) -> Message | None:
        """The message behind the one whose `order` is `after`, in the order of play; None: the first."""

    async def move_to_folder(
        self,
        box_id: str,
        message_id: str,
        folder: Folder,
        reason: ChangeReason,
        *,
        required_folder: Folder | None = None,
        expected_revision: int | None = None,
    ) -> Message:
        """Change its folder; one that is there already, or not in `only_from`, stays as it is.

        Raises `NotFound`; `PreconditionFailed` where its revision is no longer `seen`.
        """

    async def restore_from_deleted(self, box_id: str, message_id: str, reason: ChangeReason) -> Message:
        """From `deleted` back to where it came from. Raises `NotFound`."""

    async def copy_to_boxes(
        self, copies: Sequence[Message], original: Message, *, expected_revision: int | None = None
    ) -> list[Message]:
        """Copies of one message appear, quietly, each in its box, or none does; gives what went for them.

        Raises `NotFound`, `BoxFull`; `PreconditionFailed` where the revision of the message is no longer `seen`.
        """

    async def transfer_to_box(
        self, copy: Message, original: Message, *, expected_revision: int | None = None
    ) -> list[Message]:
        """The same for one copy, and the box that the message was in loses it."""

    async def undelete(self, box_id: str, message_id: str, reason: ChangeReason) -> Message:
        """Restore, from `deleted` or after a soft delete. Raises `BoxFull`; `NotFound`, which says so where it is
        too late."""

    async def list_soft_deleted(self, box_id: str, limit: int) -> list[Message]:
        """What `bring_back` can still bring back to a box, the last deleted first."""

    async def is_known(self, message_id: str) -> bool:
        """Whether there is or ever was a message of that id, in any box."""

    async def soft_delete(
        self, box_id: str, message_ids: Sequence[str], *, expected_revision: int | None = None
    ) -> list[str]:
        """Soft delete: invisible from now on. Gives those that were there.

        Raises `PreconditionFailed` where the revision of one is not `seen`: then all stay.
        """

    async def list_page(
        self, box_id: str, folder: Folder | None, not_before: int, after: str | None, limit: int
    ) -> list[Message]:
        """Messages of a box, newest first, behind the id `after`."""

    async def enqueue_box_full(self, account_id: str, box_id: str) -> None:
        """A caller found the box full: ask for its owner to be told (kazoo-behaviour §5.2)."""

    async def enqueue_mwi(self, account_id: str, box_id: str) -> None:
        """Ask for the box's message light to be set anew, as at the end of every sign-in (kazoo-behaviour §3.6)."""

    async def expire(self, account_id: str, not_before: int, limit: int) -> int:
        """Take what passed retention out of sight and out of the counts; how many, at most `limit`."""


class UploadStore(Protocol):
    """What programs bring."""

    async def set_audio(
        self, updated: Message, *, expected_revision: int | None = None
    ) -> tuple[Message, list[Message]]:
        """A message has other audio, or its first: name, length, bytes, type of `brought`; its owner can hear it now.

        What it had, intro and all, follows when nobody who began to hear it can still be at it. Gives the message, and
        what went for it as in `add`. Raises `NotFound`, `PastRetention`, `BoxFull`; `PreconditionFailed` where its revision is
        no longer `seen`.
        """


class TakeStore(Protocol):
    """Recordings in progress."""

    async def begin(self, take: Take) -> None:
        """Commit the row of a take; only then may it be recorded."""

    async def mark_urgent(self, take_id: str, urgent: bool) -> None:
        """Set `urgent` in its payload; a take that is gone stays gone."""

    async def discard(self, take_id: str) -> None:
        """It was replaced, or too short: it will never be adopted."""

    async def mark_awaiting_owner(self, take_id: str) -> list[Take]:
        """Keep it until its owner decides. Gives the older ones of that box and purpose, which are over by that.

        Raises `NotFound` where it is over already.
        """

    async def list_awaiting_owner(self, box_id: str) -> list[Take]:
        """Those of one box that are put aside, oldest first; one a purpose at most."""

    async def list_unfinished(self) -> list[Take]:
        """All takes but those put aside, oldest first: after a start, those whose calls the last run did not finish."""


class MediaStore(Protocol):
    """Greetings and names."""

    async def add(self, media: StoredMedia) -> None:
        """A recording whose audio is synced appears."""

    async def activate(
        self,
        media: StoredMedia,
        *,
        user_id: str | None = None,
        take_id: str | None = None,
        expires_at: int | None = None,
        expected_media_id: str | None = None,
    ) -> None:
        """A recording whose audio is synced appears, and its box uses it from now on; with `user_id` that user does.

        What it replaces goes, unless that was uploaded: then it stays, unused. The take that it was is over. `until`:
        Unix seconds at which a temporary greeting falls back. It takes its room by the quota of the box, as a message
        does. Raises `NotFound`, `BoxFull`; `PreconditionFailed` where not the recording with the id `instead_of` is in use.
        """

    async def deactivate(
        self, box_id: str, kind: MediaKind, *, user_id: str | None = None, expected_media_id: str | None = None
    ) -> bool:
        """The box has no such recording any more, nor, with `user_id`, that user; whether one was in use.

        Raises `NotFound`; `PreconditionFailed` as `use` does.
        """

    async def get(self, account_id: str, media_id: str) -> StoredMedia | None:
        """None where there is none of that id in the account, or no more."""


class ListingStore(Protocol):
    """Lists of messages and mailboxes, page by page."""

    async def list_account_messages(
        self, account_id: str, query: MessageQuery
    ) -> Page[MessageSummary, tuple[int, str]]:
        """Return a page of the messages of all mailboxes of an account, newest first unless `query.ascending`."""

    async def list_box_messages(
        self, box_ids: Sequence[str], query: MessageQuery
    ) -> Page[MessageSummary, tuple[int, str]]:
        """Return a page of the messages of these mailboxes, newest first unless `query.ascending`."""

    async def list_boxes(self, account_id: str, query: BoxQuery) -> Page[BoxSummary, tuple[str, str]]:
        """Return a page of the mailboxes of an account, with their counts."""
