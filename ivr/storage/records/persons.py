"""Records of what is stored about one person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ivr.storage.records.audit import AuditEntry
from ivr.storage.records.boxes import BoxRecord, StoredMedia
from ivr.storage.records.directory import EndpointRecord
from ivr.storage.records.messages import Message

ERASED = "erased"
"""What an entry of the audit log names in place of a person who was erased."""


@dataclass(frozen=True, slots=True)
class PersonQuery:
    """A person of one account: a user, numbers from which they call, and mail addresses."""

    account_id: str
    user_id: str | None
    is_number: Callable[[str], bool]
    """Whether a caller's number, in any form that the network reports, is one of the person."""
    addresses: frozenset[str] = frozenset()
    """Lower case."""


@dataclass(frozen=True, slots=True)
class PersonContent:
    """Everything that is stored about a person, deleted and expired rows included."""

    phones: Sequence[EndpointRecord]
    boxes: Sequence[BoxRecord]
    """The mailboxes that are the person's alone."""
    shared_boxes: Sequence[BoxRecord]
    """Mailboxes of several users that the person owns or belongs to, and mailboxes that mail to an address."""
    settings_of_others: Mapping[str, Any]
    """What the settings of those mailboxes, by number, and of the account ("") have of the person or of `boxes`."""
    messages: Sequence[Message]
    """The messages of `boxes`, and those that the person has left anywhere."""
    forwarded: Sequence[Message]
    """Messages of others to others that the person has forwarded: they name the forwarder, and may have an intro."""
    media: Sequence[StoredMedia]
    """Greetings and names of `boxes`."""
    calls: Sequence[Mapping[str, Any]]
    calls_of_others: Sequence[Mapping[str, Any]]
    """Records of calls of others with steps about the person: `row_id`, `began_at` and those `steps`."""
    tasks: Sequence[Mapping[str, Any]]
    """Mails, webhooks and calls that wait, or were given up."""
    takes: Sequence[Mapping[str, Any]]
    tokens: Sequence[Mapping[str, Any]]
    attempts: Sequence[Mapping[str, Any]]
    """Counters of wrong PINs."""
    audit: Sequence[AuditEntry]
    audit_ids: Sequence[int]
    import_notes: Sequence[Mapping[str, Any]]
    """Notes of reports of imports about the person: `run`, `at` in Unix seconds, `box` and `text`."""
    live_calls: Sequence[str]
    """Channels of the person's calls that are in progress."""
