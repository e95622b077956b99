"""Storage interface of mailboxes, messages, takes and greetings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypedDict

from ivr.errors import IvrError
from ivr.storage.records import (
    BoxNumberUse,
    BoxQuery,
    BoxRecord,
    BoxSummary,
    BoxUsage,
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
    """Mailboxes and their numbers."""

    async def add(self, box: BoxRecord) -> None:
        """Insert a mailbox. Raises `Conflict` if its number or an alias is in use in the account."""

    async def get(self, box_id: str) -> BoxRecord:
        """Return a mailbox. Raises `NotFound`."""

    async def find_by_number(self, account_id: str, number: str) -> BoxRecord | None:
        """Return the mailbox that a number or alias belongs to."""

    async def list_uses_of_number(self, number: str) -> list[BoxNumberUse]:
        """Return the mailboxes of all accounts that a number or alias belongs to."""

    async def list_by_owner(self, account_id: str, owner_id: str, limit: int) -> list[BoxRecord]:
        """Return at most `limit` mailboxes of one owner, by number."""

    async def list_by_account(self, account_id: str) -> list[BoxRecord]:
        """Return all mailboxes of an account, by number."""

    async def replace(self, box: BoxRecord) -> BoxRecord:
        """Store new settings; `revision` must be the stored one and is increased. Raises `NotFound`, `Conflict`."""

    async def soft_delete(self, box_id: str, *, expected_revision: int | None = None) -> None:
        """Soft-delete a mailbox and its messages. Raises `NotFound`, and `PreconditionFailed` for another revision."""

    async def restore(self, account_id: str, number: str) -> BoxRecord:
        """Undo the last soft delete of a mailbox with this number or id, and of the messages deleted with it.

        Raises `NotFound`; `Conflict` if one of its numbers is in use.
        """


class BoxUsageStore(Protocol):
    """What administrators ask about the mailboxes of an account."""

    async def usage_by_account(self, account_id: str) -> dict[str, BoxUsage]:
        """Return the usage of each mailbox of an account, by id."""


class AddOptions(TypedDict, total=False):
    """Options of `MessageStore.add`."""

    suppress_notifications: bool
    exempt_from_quota: bool
    edge_call_id: str


class MessageStore(Protocol):
    """Messages. `box_id` is the mailbox through which a message is accessed: a message of another one does not exist.

    A message that enters a mailbox must fit its quota (docs/dev/decisions/0015-quota.md). If it does not, the oldest
    messages of `deleted` are purged until it does, and returned, because their files have to be deleted. If that is
    not enough, `BoxFull` is raised. `PreconditionFailed` is raised if the revision is not `expected_revision`.
    """

    async def add(
        self,
        message: Message,
        take_id: str | None = None,
        *,
        suppress_notifications: bool = False,
        exempt_from_quota: bool = False,
        edge_call_id: str = "",
    ) -> list[Message]:
        """Insert a message whose audio is synced, delete the row of its take, and return the purged messages.

        `suppress_notifications`: no mail and no call. `exempt_from_quota`: the caller was allowed to record it, so it
        always fits. `edge_call_id`: the call under whose id a media edge uploads it. Raises `NotFound` if the mailbox
        does not exist, `BoxFull`; `Conflict` if a message of that call was stored already.
        """

    async def get(self, box_id: str, message_id: str, not_before: int) -> Message:
        """Return a message. Raises `NotFound`; `PastRetention` if it was left before `not_before` (Unix s)."""

    async def get_many(self, box_id: str, ids: Sequence[str], not_before: int) -> list[Message | IvrError]:
        """Return for each id its message, or the error that `get` raises."""

    def recall(self, box_id: str, message_id: str, not_before: int) -> Message | None:
        """Return a message that was read since the last commit, without waiting; None: it has to be read.

        Raises what `get` raises.
        """

    async def find_by_id_prefix(self, box_id: str, prefix: str, not_before: int) -> Message:
        """Return the message whose id begins with `prefix`. Raises what `get` raises."""

    async def counts(self, box_id: str) -> FolderCounts:
        """Return the number of messages in each folder."""

    async def expire_and_count(self, account_id: str, box_id: str, not_before: int) -> FolderCounts:
        """Hide messages left before `not_before` (Unix s), then return the number of messages in each folder."""

    async def used_bytes(self, box_id: str, *, exclude_folder: Folder | None = None) -> int:
        """Return the bytes of a mailbox: messages of every folder but `exclude_folder`, and greetings."""

    async def open_folder(
        self, box_id: str, folder: Folder, *, oldest_first: bool, not_before: int
    ) -> tuple[OpenFolder, Message | None]:
        """Return the current state of a folder, and its first message."""

    async def next_message(self, folder: OpenFolder, after: tuple[bool, int, str] | None) -> Message | None:
        """Return the message after the one whose sort key is `after`, in the order of play; None: the first."""

    async def move_to_folder(
        self,
        box_id: str,
        message_id: str,
        folder: Folder,
        reason: ChangeReason,
        *,
        required_folder: Folder | None = None,
        expected_revision: int | None = None,
        precondition: Callable[[Message], bool] | None = None,
        not_before: int | None = None,
    ) -> Message:
        """Move a message to a folder; it stays if it is there already, or not in `required_folder`.

        `precondition`: tells for the message as it is whether it may be moved. `not_before`: as for `get`; None: of any
        age. Raises `NotFound`, `PreconditionFailed`, `PastRetention`.
        """

    async def set_marks(
        self,
        box_id: str,
        message_id: str,
        *,
        urgent: bool | None = None,
        labels: Sequence[str] | None = None,
        expected_revision: int | None = None,
    ) -> Message:
        """Mark a message as urgent or not, and replace its labels; None: unchanged. Return the message.

        Raises `NotFound`, `PreconditionFailed`.
        """

    async def restore_from_deleted(self, box_id: str, message_id: str, reason: ChangeReason) -> Message:
        """Move a message from `deleted` back to its previous folder. Raises `NotFound`."""

    async def copy_to_boxes(
        self, copies: Sequence[Message], original: Message, *, expected_revision: int | None = None
    ) -> list[Message]:
        """Insert all copies of a message, or none, without notifications; return the purged messages.

        Raises `NotFound`, `BoxFull`, `PreconditionFailed`.
        """

    async def transfer_to_box(
        self, message: Message, box_id: str, to_uri: str, *, expected_revision: int | None = None
    ) -> tuple[Message, list[Message]]:
        """Put a message into another mailbox of its account, without notifications; return it and the purged messages.

        Its id, folder and files stay. Raises as `copy_to_boxes` does.
        """

    async def undelete(self, box_id: str, message_id: str, reason: ChangeReason) -> Message:
        """Undo a soft delete, or restore from `deleted`. Raises `BoxFull`; `NotFound`, with a hint if too late."""

    async def list_soft_deleted(self, box_id: str, limit: int) -> list[Message]:
        """Return the messages that `undelete` can restore, last deleted first."""

    async def is_known(self, message_id: str) -> bool:
        """Return whether a message with this id exists or has existed, in any mailbox."""

    async def soft_delete(
        self, box_id: str, message_ids: Sequence[str], *, expected_revision: int | None = None
    ) -> list[str]:
        """Soft-delete messages and return the ids of those that existed.

        Raises `PreconditionFailed` for another revision; nothing is deleted then.
        """

    async def list_page(
        self, box_id: str, folder: Folder | None, not_before: int, after: str | None, limit: int
    ) -> list[Message]:
        """Return messages of a mailbox, newest first, after the id `after`."""

    async def enqueue_box_full(self, account_id: str, box_id: str) -> None:
        """Enqueue the notification that a caller found the mailbox full."""

    async def enqueue_mwi(self, account_id: str, box_id: str) -> None:
        """Enqueue an update of the message light of a mailbox, as after every sign-in."""

    async def expire(self, account_id: str, not_before: int, limit: int) -> int:
        """Hide at most `limit` messages left before `not_before` (Unix s), and return how many."""


class UploadStore(Protocol):
    """Audio that programs upload."""

    async def set_audio(
        self, updated: Message, *, expected_revision: int | None = None
    ) -> tuple[Message, list[Message]]:
        """Replace the audio of a message, or set its first; return the message, and the purged messages as `add` does.

        The recording name, length, bytes and type are those of `updated`. The files of the previous audio and intro are
        deleted when no listener can still be playing them. Raises `NotFound`, `PastRetention`, `BoxFull`,
        `PreconditionFailed`.
        """


class EdgeRecordingStore(Protocol):
    """Messages that media edges have recorded, by the id of their call."""

    async def find_message_id(self, account_id: str, call_id: str) -> str | None:
        """Return the id of the message that was recorded in a call, also if it is gone by now."""

    async def find_message(self, account_id: str, name: str) -> tuple[str, str] | None:
        """Return mailbox and id of the message that was recorded in the call `name`, or whose id that is."""


class TakeStore(Protocol):
    """Recordings in progress."""

    def change_fingerprint(self) -> bytes:
        """Return a value that differs when a row may have changed. Costs microseconds."""

    async def begin(self, take: Take) -> None:
        """Insert the row of a take. It is committed before the recording starts."""

    async def mark_urgent(self, take_id: str, urgent: bool) -> None:
        """Set `urgent` in the payload of a take, if it still exists."""

    async def mark_replacing(self, take_id: str, replaced_id: str) -> None:
        """Set `replaces` in the payload of a take: the id of the take that it replaces."""

    async def discard(self, take_id: str) -> None:
        """Delete the row of a take that was replaced or is too short; it will not be recovered."""

    async def mark_awaiting_owner(self, take_id: str) -> list[Take]:
        """Keep a take until its owner decides; delete and return older ones of the same mailbox and purpose.

        Raises `NotFound` if the take has ended.
        """

    async def list_awaiting_owner(self, box_id: str) -> list[Take]:
        """Return the takes of a mailbox that await its owner, oldest first; at most one per purpose."""

    async def list_unfinished(self, node: str) -> list[Take]:
        """Return all other takes of a node, and of nodes that are lost or unknown, oldest first.

        After a start, those of calls that the last run did not finish.
        """

    async def is_recorded_elsewhere(self, box_id: str, node: str) -> bool:
        """Whether a node that is running, other than `node`, has a take of a message for a mailbox."""


class MediaStore(Protocol):
    """Greetings and names."""

    async def add(self, media: StoredMedia) -> None:
        """Insert a recording whose audio is synced."""

    async def activate(
        self,
        media: StoredMedia,
        *,
        user_id: str | None = None,
        take_id: str | None = None,
        expires_at: int | None = None,
        expected_media_id: str | None = None,
    ) -> None:
        """Insert a recording whose audio is synced and make it the active one of its mailbox, or of the user `user_id`.

        The previous one is soft-deleted, unless it was uploaded. The row of the take is deleted. `expires_at`: end of a
        temporary greeting in Unix seconds. The quota applies as to messages. Raises `NotFound`, `BoxFull`;
        `PreconditionFailed` if the active recording is not `expected_media_id`.
        """

    async def deactivate(
        self, box_id: str, kind: MediaKind, *, user_id: str | None = None, expected_media_id: str | None = None
    ) -> bool:
        """Remove the active recording of a mailbox, and of the user `user_id`; return whether there was one.

        Raises `NotFound`; `PreconditionFailed` as `activate` does.
        """

    async def list_stored(self, box_id: str, kind: MediaKind, limit: int) -> list[StoredMedia]:
        """Return the recordings of a mailbox that are still stored, newest first, replaced ones included."""

    async def activate_again(
        self, media: StoredMedia, *, user_id: str | None = None, expires_at: int | None = None
    ) -> None:
        """Make a recording that is still stored the active one again, as `activate` does a new one.

        Raises `NotFound` if it was removed meanwhile, `BoxFull`.
        """

    async def get(self, account_id: str, media_id: str) -> StoredMedia | None:
        """Return a recording of an account, unless it is deleted."""

    async def list_page(self, after: str, limit: int) -> list[StoredMedia]:
        """Return the recordings of all accounts that are not deleted, by id, after the id `after`."""

    async def list_newer(self, since: int) -> list[StoredMedia]:
        """Return the recordings of all accounts that were made at `since` (Unix s) or later, and are not deleted."""


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
