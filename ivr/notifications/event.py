"""A change as those see it who act on it: what happened, to which box, to which message."""

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
"""The changes, and the names that logs, metrics and webhooks know them by."""


@dataclass(frozen=True, slots=True)
class MailboxEvent:
    """`id` is that of its outbox row: the same however often it is told."""

    id: int
    kind: TaskKind
    occurred_at: int
    """Unix seconds."""
    mailbox: Mailbox
    message: Message | None
    reason: str = ""
    """Why it happened, in Kazoo's words (kazoo-behaviour §5.2)."""
    suppress_owner_notification: bool = False
    """A program did it: nobody is mailed or called."""

    @property
    def name(self) -> str:
        return EVENT_NAMES[self.kind]


class Subscriber(Protocol):
    """Somebody who acts on changes."""

    def handle(self, transaction: Transaction, event: MailboxEvent) -> None:
        """Ask for what has to be done, in the transaction in which the change is passed on."""
