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

TOGETHER = 100
"""Messages under way at a time."""
CONFLICT = "conflict"

REASONS: tuple[tuple[type[IvrError], str], ...] = (
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
class Outcome:
    """Ids that went well (of move and copy: the new ones), and the old ids that did not, each with its reason."""

    succeeded: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def extend(self, more: Outcome) -> None:
        """Add what happened next."""
        self.succeeded.extend(more.succeeded)
        self.failed.extend(more.failed)


Condition = Callable[[Message], bool]
"""Whether a message, as it was read, is to be touched; it is then touched at that revision or not at all."""


class Bulk:
    """Verbs for many messages of one box; those that `only_if` refuses, or that change meanwhile, are left alone."""

    def __init__(self, messages: MessageStore, delivery: Delivery) -> None:
        self._messages = messages
        self._delivery = delivery

    async def to_folder(
        self, mailbox: Mailbox, ids: Iterable[str], folder: Folder, not_before: int, only_if: Condition | None = None
    ) -> Outcome:
        """Change their folder."""

        async def one(message: Message, seen: int | None) -> list[str]:
            return [(await self._messages.move_to(mailbox.id, message.id, folder, ChangeReason.REQUEST, seen=seen)).id]

        return await self._each(mailbox, ids, not_before, only_if, one)

    async def delete(
        self, mailbox: Mailbox, ids: Iterable[str], not_before: int, only_if: Condition | None = None
    ) -> Outcome:
        """Take them out of sight for good."""

        async def one(message: Message, seen: int | None) -> list[str]:
            removed = await self._messages.remove(mailbox.id, [message.id], seen=seen)
            if not removed:
                raise NotFound("somebody else deleted it meanwhile")
            return removed

        return await self._each(mailbox, ids, not_before, only_if, one)

    async def move(
        self, mailbox: Mailbox, ids: Iterable[str], to: Mailbox, not_before: int, only_if: Condition | None = None
    ) -> Outcome:
        """Into another box, each under a new id."""

        async def one(message: Message, seen: int | None) -> list[str]:
            return [(await self._delivery.move(message, to, seen=seen)).id]

        return await self._each(mailbox, ids, not_before, only_if, one)

    async def copy(
        self,
        mailbox: Mailbox,
        ids: Iterable[str],
        to: Sequence[Mailbox],
        not_before: int,
        only_if: Condition | None = None,
    ) -> Outcome:
        """Into each of these boxes, or into none."""

        async def one(message: Message, seen: int | None) -> list[str]:
            return [copy.id for copy in await self._delivery.copy(message, to, seen=seen)]

        return await self._each(mailbox, ids, not_before, only_if, one)

    async def _each(
        self,
        mailbox: Mailbox,
        ids: Iterable[str],
        not_before: int,
        only_if: Condition | None,
        verb: Callable[[Message, int | None], Awaitable[list[str]]],
    ) -> Outcome:
        async def attempt(message_id: str) -> list[str] | IvrError:
            try:
                message = await self._messages.get(mailbox.id, message_id, not_before)
                if only_if and not only_if(message):
                    raise PreconditionFailed("it has another revision")
                return await verb(message, message.revision if only_if else None)
            except IvrError as error:
                return error

        outcome = Outcome()
        wanted = list(dict.fromkeys(ids))
        for n in range(0, len(wanted), TOGETHER):
            some = wanted[n : n + TOGETHER]
            for message_id, result in zip(some, await asyncio.gather(*map(attempt, some)), strict=True):
                if isinstance(result, IvrError):
                    outcome.failed.append((message_id, reason(result)))
                else:
                    outcome.succeeded.extend(result)
        return outcome


def reason(error: IvrError) -> str:
    """Why one of many could not be done."""
    return next((word for kind, word in REASONS if isinstance(error, kind)), "unspecified_fault")
