"""Records for the metrics: what an installation holds and has still to do, as numbers."""

from __future__ import annotations

from dataclasses import dataclass


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
