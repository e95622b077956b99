"""Passes each change on, once: a line in the log, a count, and a row for each thing that has to follow it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from ivr.clock import Clock
from ivr.directory.pin_lockout import PinLockout
from ivr.errors import NotFound, PastRetention
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.mailbox import Mailbox
from ivr.notifications.event import EVENT_NAMES, MailboxEvent, Subscriber
from ivr.notifications.worker import Handler, HandlerResult
from ivr.storage.protocols import MessageStore, Transaction
from ivr.storage.records import Message, OutboxTask, TaskKind

NO_CUTOFF = 0
"""Messages however old."""

log = structlog.get_logger()


class EventDispatcher:
    """`counted(event)` is told of every change; each of `followers` asks for what it has to do."""

    def __init__(
        self,
        boxes: Boxes,
        messages: MessageStore,
        pin_lockout: PinLockout,
        clock: Clock,
        subscribers: Sequence[Subscriber],
        on_event: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._boxes = boxes
        self._messages = messages
        self._pin_lockout = pin_lockout
        self._clock = clock
        self._subscribers = subscribers
        self._on_event = on_event

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return dict.fromkeys(EVENT_NAMES, self.dispatch)

    async def dispatch(self, task: OutboxTask) -> HandlerResult:
        """One change. What is about a box that is gone is only counted and told to the log."""
        mailbox = await self._load_mailbox(task)
        if task.kind is TaskKind.BOX_LOCKED and not await self._pin_lockout.locked_until(task.account_id, task.box_id):
            return None  # The PIN that locked it was right after all, or an administrator was faster.
        log.info(EVENT_NAMES[task.kind], box=task.box_id, message=task.message_id, reason=task.payload.get("reason"))
        self._on_event(EVENT_NAMES[task.kind])
        if mailbox is None:
            return None
        change = MailboxEvent(
            task.id,
            task.kind,
            task.created_at,
            mailbox,
            await self._load_message(task),
            str(task.payload.get("reason", "")),
            bool(task.payload.get("quiet")),
        )

        def also(transaction: Transaction) -> None:
            for follower in self._subscribers:
                follower.handle(transaction, change)

        return also

    async def _load_mailbox(self, task: OutboxTask) -> Mailbox | None:
        try:
            return await self._boxes.get(task.box_id)
        except NotFound:
            return None

    async def _load_message(self, task: OutboxTask) -> Message | None:
        if task.message_id is None:
            return None
        try:
            return await self._messages.get(task.box_id, task.message_id, NO_CUTOFF)
        except (NotFound, PastRetention):
            return None
