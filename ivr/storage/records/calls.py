"""Records of calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A whole call, to be read afterwards: what was heard and pressed, PIN digits masked."""

    channel: str
    caller_number: str
    action: str
    status: str
    began_at: int
    ended_at: int
    account_id: str | None
    box_id: str | None
    steps: Sequence[Mapping[str, Any]]
    id: str = ""


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call that has begun and is not over."""

    channel: str
    caller_number: str
    action: str
    number: str
    """The box that the dialplan named, "" where it named none."""
    began_at: int
    uniqueid: str | None = None
    instance: str | None = None
    """The service that has it, where the call may outlive it."""


@dataclass(frozen=True, slots=True)
class InterruptedCall:
    """What is known of a call whose service died, or left it."""

    box_id: str | None
    """The box that was signed in to."""
    own_phone: bool
    seen_at: int
    """Unix seconds at which its service was last alive."""
