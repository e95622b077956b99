"""Records of the outbox: the tasks that follow a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

LEASE_S = 120
"""Seconds that a claim is valid; a worker renews it while it processes the task."""
NEVER_DUE = 2**53
"""`due_at` of a task that was given up."""


class TaskKind(StrEnum):
    """What an outbox task is about. The first group reports a change, the second one is work that follows from it."""

    NEW = "new"
    """A message arrived."""
    SAVED = "saved"
    DELETED = "deleted"
    MOVED_TO_NEW = "moved_to_new"
    """A message returned to the folder `new`."""
    SOFT_DELETED = "soft_deleted"
    BOX_FULL = "box_full"
    """A caller found the mailbox full. One task per caller; the subscriber throttles what the owner receives."""
    BOX_LOCKED = "box_locked"
    """Wrong PINs have locked the mailbox."""
    ACCOUNT_LOCKED = "account_locked"
    """Wrong PINs have used up the budget of the account, which is locked for a while."""

    MWI = "mwi"
    """Publish the counts of a mailbox to its message lights; one task per mailbox."""
    PHONE_MWI = "phone_mwi"
    """Publish the sum to the phone in `target`, of the Asterisk in the payload: its user has changed."""
    TRANSCRIPTION = "transcription"
    MAIL = "mail"
    """One mail to the address in `target`."""
    AFTER_MAIL = "after_mail"
    """Every mail about a message was delivered: save or delete the message, where the mailbox says so."""
    CALL = "call"
    """Call the number in `target` until the call is answered or no message is new; one task per number and mailbox."""
    WEBHOOK = "webhook"
    PROGRAM = "program"
    """Run the program of the site, for the event in `target`."""


@dataclass(frozen=True, slots=True)
class OutboxTask:
    """One row of the outbox. `attempts` includes the current one."""

    id: int
    account_id: str
    box_id: str
    message_id: str | None
    kind: TaskKind
    target: str
    payload: Mapping[str, Any]
    created_at: int
    """Unix seconds."""
    due_at: int
    """Unix seconds."""
    attempts: int
    error: str | None
    lease: str | None
    uid: str = ""
    """Id that no other task has, ever: `id` is used again after the row was deleted."""

    @property
    def is_given_up(self) -> bool:
        """Whether the task waits for an administrator."""
        return self.due_at >= NEVER_DUE


@dataclass(frozen=True, slots=True)
class BoxMwiCounts:
    """The counts of one mailbox, and the values of its MWI addresses."""

    box_id: str
    account_id: str
    realm: str
    user_ids: tuple[str, ...]
    """The owner and, if the mailbox is shared, its members."""
    mailbox: str
    """The mailbox number."""
    numbers: tuple[str, ...]
    """Further message-light targets of the mailbox."""
    is_deleted: bool
    is_enabled: bool
    new: int
    saved: int


@dataclass(frozen=True, slots=True)
class EndpointMwiCounts:
    """The sum over all enabled mailboxes that the user of an endpoint owns or shares."""

    endpoint: str
    new: int
    saved: int


@dataclass(frozen=True, slots=True)
class PublishedLights:
    """The lights of a mailbox or an endpoint that were published to one Asterisk; the other of the two is ""."""

    box_id: str
    endpoint: str
    names: tuple[str, ...]
