"""Records of what an installation holds at one moment: numbers for the metrics, and what `ivr watch` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ivr.storage.records.calls import LiveCall


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """A finished call. Times are Unix seconds."""

    began_at: int
    ended_at: int
    caller_number: str
    action: str
    box: str
    """The mailbox number; "" for a call without a mailbox."""
    status: str


@dataclass(frozen=True, slots=True)
class RecentMessage:
    """A message in the list of the newest."""

    time: int
    """Unix seconds."""
    box: str
    caller: str
    length_ms: int
    folder: str
    urgent: bool


@dataclass(frozen=True, slots=True)
class ZoneUse:
    """A time zone and one account, user or box that uses it."""

    kind: str
    """account, user or box."""
    name: str
    zone: str
    account: str = ""
    """Name of the account of a user."""


@dataclass(frozen=True, slots=True)
class MwiSummary:
    """The counts of a mailbox, and whether its message light has been updated."""

    box: str
    name: str
    new: int
    saved: int
    waiting_since: int | None
    """Unix seconds since which an update has been pending; None: no update is pending."""
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of an installation. Finished calls, messages and lights are limited to a few rows."""

    at: int
    """Unix seconds."""
    calls: Sequence[LiveCall]
    recordings: int
    """Takes in progress."""
    ended: Sequence[FinishedCall]
    messages: Sequence[RecentMessage]
    lights: Sequence[MwiSummary]
    waiting: int
    """Rows of the outbox."""
    new: int
    saved: int
    deleted: int


@dataclass(frozen=True, slots=True)
class WorkStatistics:
    """The calls in progress, and the recordings that are not stored yet. Times are Unix seconds; 0: there is none."""

    calls: int
    oldest_call_at: int
    awaiting_owner: int
    """Recorded greetings and names that wait for a decision of their owner."""


@dataclass(frozen=True, slots=True)
class BoxContent:
    """What one mailbox holds, and its limits."""

    box_id: str
    messages: int
    """New and saved messages."""
    used_bytes: int
    """Bytes of all audio but that of deleted messages."""
    quota_bytes: int
    """0: no quota."""
    max_messages: int | None
    """Its maximum, else that of its account; None: that of the system."""
