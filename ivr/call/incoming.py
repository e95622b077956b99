"""The properties of a call when it arrives."""

from __future__ import annotations

from dataclasses import dataclass, field

from ivr.call.arguments import Arguments


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A call that Asterisk has passed to the service."""

    channel: str
    """Such as PJSIP/alice-0000002f."""
    uniqueid: str
    arguments: Arguments = field(default_factory=Arguments)
    caller_number: str = ""
    """As the network reports it: a caller can claim any number."""
    caller_name: str = ""
    language: str = "en"
    endpoint: str | None = None
    """The verified device of the caller: an authenticated PJSIP endpoint of our own Asterisk; else None
    (`identity`)."""
    forwarded: bool = False
    """The call was diverted on its way: the caller is not the user of `endpoint`."""
