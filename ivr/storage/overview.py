"""An installation at one moment, as somebody who watches it wants it: calls, messages, lights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ivr.storage.records import LiveCall


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """A call that is over."""

    began_at: int
    ended_at: int
    caller_number: str
    action: str
    box: str
    """Number of the box it was for, "" where it was for none."""
    status: str


@dataclass(frozen=True, slots=True)
class RecentMessage:
    """A message, as one line."""

    time: int
    box: str
    caller: str
    length_ms: int
    folder: str
    urgent: bool


@dataclass(frozen=True, slots=True)
class MwiSummary:
    """A message light: what it shows, and whether it shows it already."""

    box: str
    name: str
    new: int
    saved: int
    waiting_since: int | None
    """Unix seconds; None: nothing waits to be told to the phone."""
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it; what is many is cut to the newest few."""

    at: int
    """Unix seconds."""
    calls: Sequence[LiveCall]
    recordings: int
    """Takes in progress."""
    ended: Sequence[FinishedCall]
    messages: Sequence[RecentMessage]
    lights: Sequence[MwiSummary]
    waiting: int
    """Things that must still follow from changes: mails, lights, transcripts."""
    new: int
    saved: int
    deleted: int
