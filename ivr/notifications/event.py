"""Events of mailboxes and messages, and their delivery to subscribers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from ivr.directory.pin_lockout import PinLockout
from ivr.errors import NotFound, PastRetention
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.mailbox import Capacity, Mailbox, Occupancy
from ivr.notifications.worker import NO_CUTOFF, Handler, HandlerResult
from ivr.storage.protocols import MessageStore, Transaction
from ivr.storage.records import Message, OutboxTask, TaskKind

EVENT_NAMES = {
    TaskKind.NEW: "message.new",
    TaskKind.SAVED: "message.saved",
    TaskKind.DELETED: "message.deleted",
    TaskKind.MOVED_TO_NEW: "message.renewed",
    TaskKind.SOFT_DELETED: "message.removed",
    TaskKind.BOX_FULL: "box.full",
    TaskKind.BOX_LOCKED: "box.locked",
}
"""Outbox kinds that are events, and the names of these events in logs, metrics and webhooks."""


@dataclass(frozen=True, slots=True)
class MailboxEvent:
    """An event, with the mailbox and message as they are when it is dispatched.

    `uid`: of its outbox row; the same when the event is dispatched again after a crash, and of no other event.
    `message`: None for an event of the mailbox, and for a message that no longer exists.
    """

    uid: str
    kind: TaskKind
    occurred_at: int
    """Unix seconds."""
    mailbox: Mailbox
    message: Message | None
    occupancy: Occupancy | None = None
    """How much of its limits the mailbox uses; of a new message only."""
    reason: str = ""
    """What caused it, in Kazoo's words: `dtmf`, `heard`, `after_notify` or `crossbar_action`."""
    suppress_owner_notification: bool = False
    """Caused by a program, such as a REST client: the owner gets no mail and no call."""

    @property
    def name(self) -> str:
        return EVENT_NAMES[self.kind]


class Subscriber(Protocol):
    """Receives every event once."""

    def handle(self, transaction: Transaction, event: MailboxEvent) -> None:
        """Enqueue the tasks that follow the event.

        The transaction also deletes the event's own row, so an event is handled exactly once.
        """


log = structlog.get_logger()


class EventDispatcher:
    """Handler of the events in the outbox. `on_event`: called with the name of every event."""

    def __init__(
        self,
        *,
        boxes: Boxes,
        messages: MessageStore,
        capacity: Capacity,
        pin_lockout: PinLockout,
        subscribers: Sequence[Subscriber],
        on_event: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._boxes = boxes
        self._messages = messages
        self._capacity = capacity
        self._pin_lockout = pin_lockout
        self._subscribers = subscribers
        self._on_event = on_event

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return dict.fromkeys(EVENT_NAMES, self.dispatch)

    async def dispatch(self, task: OutboxTask) -> HandlerResult:
        """Dispatch one event. An event of a deleted box is only logged and counted."""
        mailbox = await self._load_mailbox(task)
        if task.kind is TaskKind.BOX_LOCKED and not await self._pin_lockout.locked_until(task.account_id, task.box_id):
            return None  # An administrator has ended it.
        log.info(EVENT_NAMES[task.kind], box=task.box_id, message=task.message_id, reason=task.payload.get("reason"))
        self._on_event(EVENT_NAMES[task.kind])
        if mailbox is None:
            return None
        event = MailboxEvent(
            uid=task.uid,
            kind=task.kind,
            occurred_at=task.created_at,
            mailbox=mailbox,
            message=await self._load_message(task),
            occupancy=await self._capacity.occupancy(mailbox) if task.kind is TaskKind.NEW else None,
            reason=str(task.payload.get("reason", "")),
            suppress_owner_notification=bool(task.payload.get("suppress_notifications")),
        )

        def notify_subscribers(transaction: Transaction) -> None:
            for subscriber in self._subscribers:
                subscriber.handle(transaction, event)

        return notify_subscribers

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
