"""A change as those see it who act on it: what happened, to which box, to which message."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Protocol

from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Message
from ivr.mailbox.sqlite.outbox import Kind

EVENTS = {
    Kind.NEW: "message.new", Kind.SAVED: "message.saved", Kind.DELETED: "message.deleted",
    Kind.RENEWED: "message.renewed", Kind.REMOVED: "message.removed", Kind.FULL: "box.full", Kind.LOCKED: "box.locked",
}  # fmt: skip
"""The changes, and the names that logs, metrics and webhooks know them by."""


@dataclass(frozen=True, slots=True)
class Change:
    """`id` is that of its outbox row: the same however often it is told."""

    id: int
    kind: Kind
    at: int
    """Unix seconds."""
    mailbox: Mailbox
    message: Message | None
    reason: str = ""
    """Why it happened, in Kazoo's words (kazoo-behaviour §5.2)."""
    quiet: bool = False
    """A program did it: nobody is mailed or called."""

    @property
    def event(self) -> str:
        return EVENTS[self.kind]


class Follower(Protocol):
    """Somebody who acts on changes."""

    def follow(self, connection: sqlite3.Connection, change: Change, now: int) -> None:
        """Ask for what has to be done, in the transaction in which the change is passed on."""
