"""Records of calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SIGNED_IN = "signed in"
"""The step of a call record that follows a right PIN, or the proof of the owner's own phone."""


@dataclass(frozen=True, slots=True)
class CallQuery:
    """A query for calls, newest first. None: any. Times are Unix seconds, inclusive."""

    since: int
    until: int = 2**62
    account_id: str | None = None
    box_id: str | None = None
    caller_suffix: str = ""
    """The end of the caller's number."""
    status: str | None = None


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

    @property
    def signed_in_at(self) -> int | None:
        """The time of the last sign-in of the call; None if there was none."""
        times = [int(step["at_ms"]) for step in self.steps if step["what"] == SIGNED_IN]
        return self.began_at + times[-1] // 1000 if times else None


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
    node: str | None = None
    asterisk: str | None = None
    """The node and the Asterisk of the call; None: an earlier version did not store them."""


@dataclass(frozen=True, slots=True)
class InterruptedCall:
    """A call whose service died or was stopped."""

    box_id: str | None
    """The mailbox that the call had signed in to."""
    own_phone: bool
    seen_at: int
    """Unix seconds of the last heartbeat of its service."""
