"""Many messages at once: each by itself the same verb as for one, each with its own outcome.

The store commits together whatever waits, so many cost little more than one; none depends on another.
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

MAX_CONCURRENCY = 100
"""Messages under way at a time."""
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
"""In Kazoo's words (kazoo-behaviour §4.4); the first line that fits."""


@dataclass(frozen=True, slots=True)
class BulkResult:
    """Ids that went well (of move and copy: the new ones), and the old ids that did not, each with its reason."""

    succeeded: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def extend(self, other: BulkResult) -> None:
        """Add what happened next."""
        self.succeeded.extend(other.succeeded)
        self.failed.extend(other.failed)


Precondition = Callable[[Message], bool]
"""Whether a message, as it was read, is to be touched; it is then touched at that revision or not at all."""


class BulkOperations:
    """Verbs for many messages of one box; those that `only_if` refuses, or that change meanwhile, are left alone."""

    def __init__(self, messages: MessageStore, delivery: Delivery) -> None:
        self._messages = messages
        self._delivery = delivery

    async def move_to_folder(
        self,
        mailbox: Mailbox,
        ids: Iterable[str],
        folder: Folder,
        not_before: int,
        precondition: Precondition | None = None,
    ) -> BulkResult:
        """Change their folder."""

        async def one(message: Message, seen: int | None) -> list[str]:
            return [
                (
                    await self._messages.move_to_folder(
                        mailbox.id, message.id, folder, ChangeReason.API_REQUEST, expected_revision=seen
                    )
                ).id
            ]

        return await self._apply_to_each(mailbox, ids, not_before, precondition, one)

    async def delete(
        self, mailbox: Mailbox, ids: Iterable[str], not_before: int, precondition: Precondition | None = None
    ) -> BulkResult:
        """Take them out of sight for good."""

        async def one(message: Message, seen: int | None) -> list[str]:
            removed = await self._messages.soft_delete(mailbox.id, [message.id], expected_revision=seen)
            if not removed:
                raise NotFound("somebody else deleted it meanwhile")
            return removed

        return await self._apply_to_each(mailbox, ids, not_before, precondition, one)

    async def transfer(
        self,
        mailbox: Mailbox,
        ids: Iterable[str],
        destination: Mailbox,
        not_before: int,
        precondition: Precondition | None = None,
    ) -> BulkResult:
        """Into another box, each under a new id."""

        async def one(message: Message, seen: int | None) -> list[str]:
            return [(await self._delivery.transfer(message, destination, expected_revision=seen)).id]

        return await self._apply_to_each(mailbox, ids, not_before, precondition, one)

    async def copy(
        self,
        mailbox: Mailbox,
        ids: Iterable[str],
        destinations: Sequence[Mailbox],
        not_before: int,
        precondition: Precondition | None = None,
    ) -> BulkResult:
        """Into each of these boxes, or into none."""

        async def one(message: Message, seen: int | None) -> list[str]:
            return [copy.id for copy in await self._delivery.copy(message, destinations, expected_revision=seen)]

        return await self._apply_to_each(mailbox, ids, not_before, precondition, one)

    async def _apply_to_each(
        self,
        mailbox: Mailbox,
        ids: Iterable[str],
        not_before: int,
        precondition: Precondition | None,
        operation: Callable[[Message, int | None], Awaitable[list[str]]],
    ) -> BulkResult:
        async def attempt(message_id: str) -> list[str] | IvrError:
            try:
                message = await self._messages.get(mailbox.id, message_id, not_before)
                if precondition and not precondition(message):
                    raise PreconditionFailed("it has another revision")
                return await operation(message, message.revision if precondition else None)
            except IvrError as error:
                return error

        outcome = BulkResult()
        wanted = list(dict.fromkeys(ids))
        for n in range(0, len(wanted), MAX_CONCURRENCY):
            some = wanted[n : n + MAX_CONCURRENCY]
            for message_id, result in zip(some, await asyncio.gather(*map(attempt, some)), strict=True):
                if isinstance(result, IvrError):
                    outcome.failed.append((message_id, failure_reason(result)))
                else:
                    outcome.succeeded.extend(result)
        return outcome


def failure_reason(error: IvrError) -> str:
    """Why one of many could not be done."""
    return next((word for kind, word in REASON_BY_ERROR if isinstance(error, kind)), "unspecified_fault")
