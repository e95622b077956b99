"""Events of mailboxes and messages, and the subscribers that turn them into outbox rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ivr.mailbox.mailbox import Mailbox
from ivr.storage.protocols import Transaction
from ivr.storage.records import Message, TaskKind

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

    `id`: id of its outbox row; the same when the event is dispatched again after a crash. `message`: None for an event
    of the mailbox, and for a message that no longer exists.
    """

    id: int
    kind: TaskKind
    occurred_at: int
    """Unix seconds."""
    mailbox: Mailbox
    message: Message | None
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
