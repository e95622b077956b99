"""Records of calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A finished call: what was played and pressed, with PIN digits masked. Times are Unix seconds."""

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
    """A call in progress."""

    channel: str
    caller_number: str
    action: str
    number: str
    """The mailbox number that the dialplan passed; "" if it passed none."""
    began_at: int
    """Unix seconds."""
    uniqueid: str | None = None
    instance: str | None = None
    """The service that handles the call; None for a transport whose calls end with the service."""


@dataclass(frozen=True, slots=True)
class InterruptedCall:
    """A call whose service died or was stopped."""

    box_id: str | None
    """The mailbox that the call had signed in to."""
    own_phone: bool
    seen_at: int
    """Unix seconds of the last heartbeat of its service."""
