"""What is known of a call when it arrives."""

from __future__ import annotations

from dataclasses import dataclass, field

from ivr.call.arguments import Arguments


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A call at our door."""

    channel: str
    """Such as PJSIP/alice-0000002f."""
    uniqueid: str
    arguments: Arguments = field(default_factory=Arguments)
    caller_number: str = ""
    """As the network says: anybody can claim any number."""
    caller_name: str = ""
    language: str = "en"
    endpoint: str | None = None
    """The device that this call is proven to come from: an authenticated PJSIP endpoint, told by our own Asterisk.
    None where any of this is not so (design, idea 10)."""
    forwarded: bool = False
    """Somebody sent this call on: whoever speaks is not the person whose device it came from."""
