"""Bulk operations: the operation of one message applied to many, each with its own result.

The messages are independent of each other. They are read together, and the store commits waiting transactions
together, so many messages cost little more than one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ivr.errors import (
    BoxFull,
    Conflict,
    InvalidAudio,
    IvrError,
    NotFound,
    PastRetention,
    PreconditionFailed,
    StoreError,
)
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.protocols import MessageStore
from ivr.storage.records import ChangeReason, Folder, Message

CONFLICT = "conflict"

REASON_BY_ERROR: tuple[tuple[type[IvrError], str], ...] = (
    (NotFound, "not_found"),
    (PastRetention, "prior_to_retention_duration"),
    (Conflict, CONFLICT),
    (PreconditionFailed, CONFLICT),
    (BoxFull, "mailbox_full"),
    (InvalidAudio, "unreadable"),
    (StoreError, "datastore_fault"),
)
"""Reasons as Kazoo's REST API returns them; the first matching line applies."""


@dataclass(frozen=True, slots=True)
class BulkResult:
    """`succeeded`: ids, of copied messages the new ones. `failed`: pairs of old id and reason."""

    succeeded: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def extend(self, other: BulkResult) -> None:
        """Append the results of a further operation."""
        self.succeeded.extend(other.succeeded)
        self.failed.extend(other.failed)


Precondition = Callable[[Message], bool]
"""Whether the operation applies to a message as it was read. It then applies to that revision or fails."""


class BulkOperations:
    """Operations on many messages of one mailbox.

    A message that the precondition rejects, or that is changed meanwhile, fails with a conflict. `max_concurrency`:
    messages processed at the same time, of all requests together: calls wait for what becomes ready at once. Requests
    take turns to read messages, a batch each, so one with few messages does not wait for all of another one.
    """

    def __init__(self, messages: MessageStore, delivery: Delivery, *, max_concurrency: int = 100) -> None:
        self._messages = messages
        self._delivery = delivery
        self._batch_size = max_concurrency
        self._places = asyncio.Semaphore(max_concurrency)
        self._read_turn = asyncio.Lock()

    async def move_to_folder(
        self,
        mailbox: Mailbox,
        ids: Iterable[str],
        folder: Folder,
        not_before: int,
        precondition: Precondition | None = None,
    ) -> BulkResult:
        """Move messages to a folder."""

        async def move_one(message: Message, revision: int | None) -> list[str]:
            moved = await self._messages.move_to_folder(
                mailbox.id, message.id, folder, ChangeReason.API_REQUEST, expected_revision=revision
            )
            return [moved.id]

        return await self._apply_to_each(mailbox, ids, not_before, precondition, move_one)

    async def delete(
        self, mailbox: Mailbox, ids: Iterable[str], not_before: int, precondition: Precondition | None = None
    ) -> BulkResult:
        """Soft-delete messages."""

        async def delete_one(message: Message, revision: int | None) -> list[str]:
            deleted = await self._messages.soft_delete(mailbox.id, [message.id], expected_revision=revision)
            if not deleted:
                raise NotFound("the message has just been deleted by another request")
            return deleted

        return await self._apply_to_each(mailbox, ids, not_before, precondition, delete_one)

    async def change(
        self, mailbox: Mailbox, ids: Iterable[str], not_before: int, change: Callable[[Message], Awaitable[bool]]
    ) -> BulkResult:
        """Change messages. `change` returns whether it changed the message; the result has the ids of those."""

        async def change_one(message: Message, _revision: int | None) -> list[str]:
            return [message.id] if await change(message) else []

        return await self._apply_to_each(mailbox, ids, not_before, None, change_one)

    async def transfer(
        self,
        mailbox: Mailbox,
        ids: Iterable[str],
        destination: Mailbox,
        not_before: int,
        precondition: Precondition | None = None,
    ) -> BulkResult:
        """Move messages to another mailbox."""

        async def transfer_one(message: Message, revision: int | None) -> list[str]:
            return [(await self._delivery.transfer(message, destination, expected_revision=revision)).id]

        return await self._apply_to_each(mailbox, ids, not_before, precondition, transfer_one)

    async def copy(
        self,
        mailbox: Mailbox,
        ids: Iterable[str],
        destinations: Sequence[Mailbox],
        not_before: int,
        precondition: Precondition | None = None,
    ) -> BulkResult:
        """Copy each message to all of these mailboxes or to none."""

        async def copy_one(message: Message, revision: int | None) -> list[str]:
            copies = await self._delivery.copy(message, destinations, expected_revision=revision)
            return [copy.id for copy in copies]

        return await self._apply_to_each(mailbox, ids, not_before, precondition, copy_one)

    async def _apply_to_each(
        self,
        mailbox: Mailbox,
        ids: Iterable[str],
        not_before: int,
        precondition: Precondition | None,
        operation: Callable[[Message, int | None], Awaitable[list[str]]],
    ) -> BulkResult:
        async def apply(message: Message) -> list[str] | IvrError:
            async with self._places:
                try:
                    if precondition and not precondition(message):
                        raise PreconditionFailed("the message has another revision")
                    return await operation(message, message.revision if precondition else None)
                except IvrError as error:
                    return error

        result = BulkResult()
        unique_ids = list(dict.fromkeys(ids))
        for start in range(0, len(unique_ids), self._batch_size):
            batch = unique_ids[start : start + self._batch_size]
            async with self._read_turn:
                messages = await self._messages.get_many(mailbox.id, batch, not_before)
            outcomes = iter(await asyncio.gather(*(apply(one) for one in messages if isinstance(one, Message))))
            for message_id, message in zip(batch, messages, strict=True):
                outcome = next(outcomes) if isinstance(message, Message) else message
                if isinstance(outcome, IvrError):
                    result.failed.append((message_id, failure_reason(outcome)))
                else:
                    result.succeeded.extend(outcome)
        return result


def failure_reason(error: IvrError) -> str:
    """Return the reason of a failure, as Kazoo's REST API names it."""
    for error_type, reason in REASON_BY_ERROR:
        if isinstance(error, error_type):
            return reason
    return "unspecified_fault"
