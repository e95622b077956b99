"""Passes each change on, once: a line in the log, a count, and a row for each thing that has to follow it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

import structlog

from ivr.clock import Clock
from ivr.directory.failures import Failures
from ivr.errors import NotFound, PastRetention
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Message
from ivr.mailbox.sqlite.outbox import Kind
from ivr.mailbox.store import MessageStore
from ivr.notify.change import EVENTS, Change, Follower
from ivr.notify.lane import Done, Handler
from ivr.notify.outbox import Row

EVER = 0
"""Messages however old."""

log = structlog.get_logger()


class Dispatch:
    """`counted(event)` is told of every change; each of `followers` asks for what it has to do."""

    def __init__(
        self, boxes: Boxes, messages: MessageStore, failures: Failures, clock: Clock, followers: Sequence[Follower],
        counted: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._boxes = boxes
        self._messages = messages
        self._failures = failures
        self._clock = clock
        self._followers = followers
        self._counted = counted

    @property
    def handlers(self) -> dict[Kind, Handler]:
        return dict.fromkeys(EVENTS, self.pass_on)

    async def pass_on(self, row: Row) -> Done:
        """One change. What is about a box that is gone is only counted and told to the log."""
        mailbox = await self._mailbox(row)
        if row.kind is Kind.LOCKED and not await self._failures.locked_until(row.account_id, row.box_id):
            return None  # The PIN that locked it was right after all, or an administrator was faster.
        log.info(EVENTS[row.kind], box=row.box_id, message=row.message_id, reason=row.payload.get("reason"))
        self._counted(EVENTS[row.kind])
        if mailbox is None:
            return None
        change = Change(
            row.id, row.kind, row.created_at, mailbox, await self._message(row), str(row.payload.get("reason", "")),
            bool(row.payload.get("quiet")),
        )  # fmt: skip
        now = int(self._clock.now())

        def also(connection: sqlite3.Connection) -> None:
            for follower in self._followers:
                follower.follow(connection, change, now)

        return also

    async def _mailbox(self, row: Row) -> Mailbox | None:
        try:
            return await self._boxes.get(row.box_id)
        except NotFound:
            return None

    async def _message(self, row: Row) -> Message | None:
        if row.message_id is None:
            return None
        try:
            return await self._messages.get(row.box_id, row.message_id, EVER)
        except (NotFound, PastRetention):
            return None
