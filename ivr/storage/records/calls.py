"""Records of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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

    def format_steps(self, translate: Callable[[str], str] = str) -> Iterator[str]:
        """Yield a line for each step: `  0:03.250  key      7`. What was heard stays as it was spoken."""
        steps = [(step, translate(str(step["what"]))) for step in self.steps]
        width = max((_MIN_STEP_WIDTH, *(len(name) for _, name in steps)))
        for step, name in steps:
            details = {name: value for name, value in step.items() if name not in ("at_ms", "what")}
            text = _format_step_details(str(step["what"]), details, translate)
            yield f"{_format_offset(int(step['at_ms'])):>10}  {name:<{width}} {text}".rstrip()


_MIN_STEP_WIDTH = 14


def _format_step_details(step_name: str, details: Mapping[str, Any], translate: Callable[[str], str]) -> str:
    match step_name:
        case "heard":
            start = f", {translate('from')} {_format_offset(details['from_ms'])}" if "from_ms" in details else ""
            return f"“{details['text']}”{start}"
        case "key":
            return str(details["key"])
        case "menu":
            return translate(str(details["name"]))
    return "  ".join(f"{translate(name)}={_format_value(name, value, translate)}" for name, value in details.items())


def _format_value(name: str, value: object, translate: Callable[[str], str]) -> str:
    if isinstance(value, bool):
        return translate("yes" if value else "no")
    return translate(str(value)) if name == "folder" else str(value)


def _format_offset(ms: int) -> str:
    minutes, rest = divmod(ms, 60_000)
    return f"{minutes}:{rest // 1000:02d}.{rest % 1000:03d}"


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
