"""What is known of a call when it arrives: channel, caller, arguments, proven owner, channel variables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ivr.call.arguments import Arguments
from ivr.validation.text import to_caller_text


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
    (`owner_proof`)."""
    forwarded: bool = False
    """The call was diverted on its way: the caller is not the user of `endpoint`."""
    is_proven: bool = False
    """Whether the call provably comes from our own Asterisk, over whatever channel. Asked for where a decision needs
    it."""

    @property
    def trunk(self) -> str:
        """Where the call came in: the PJSIP endpoint, verified or not, else the channel technology."""
        return endpoint_of(self.channel) or self.channel.partition("/")[0]


_CHANNEL_NAME = re.compile(r"PJSIP/(?P<endpoint>[\w.@+*#!-]+)-[0-9a-f]+")
"""The endpoint reaches to the *last* hyphen; Asterisk's running number follows. Local/ channels never match."""


def endpoint_of(channel: str) -> str | None:
    """Return the endpoint of a channel name: "PJSIP/alice-home-0000002f" → "alice-home"; None for other channels."""
    matched = _CHANNEL_NAME.fullmatch(channel)
    return matched["endpoint"] if matched else None


PRESENTATION_VARIABLE = "CALLERID(num-pres)"
_PRESENTATION_BITS, _RESTRICTED = 0x60, 0x20


def present_caller(number: str, name: str, presentation: str) -> tuple[str, str]:
    """Return number and name of a caller as they may be shown; a caller who withholds them is "anonymous".

    A trunk may report the number of a caller who withholds it. `presentation`: the number that AGI reports, or the
    name that CALLERID(num-pres) has.
    """
    is_restricted = presentation.startswith("prohib")
    if presentation.isascii() and presentation.isdigit():
        is_restricted = int(presentation) & _PRESENTATION_BITS == _RESTRICTED
    return ("anonymous", "") if is_restricted else (to_caller_text(number), to_caller_text(name))


STATUS_VARIABLE = "IVR_STATUS"
TAKE_VARIABLE = "IVR_TAKE_FILE"
"""Path, without its suffix, of the latest recording: the dialplan looks at it if the service dies."""
EARLIER_NAMES = {
    STATUS_VARIABLE: "IVRSTATUS",
    TAKE_VARIABLE: "IVRTAKE",
    "IVR_MESSAGE_ID": "IVRMESSAGE",
    "IVR_OWNER_LOGIN": "IVRLISTENS",
}
"""What the dialplan before version 0.1.0 calls these variables. It may still be loaded when the service is new: without
them it would have a caller leave the message once more."""


def dialplan_names(variable: str, arguments: Arguments) -> Sequence[str]:
    """Return the names under which the dialplan of a call reads a variable.

    The dialplan before version 0.1.0 has a watchdog and does not name its version.
    """
    is_earlier = arguments.watchdog is not None and not arguments.dialplan
    return [EARLIER_NAMES[variable], variable] if is_earlier and variable in EARLIER_NAMES else [variable]


GOSUB_FRAME_VARIABLE = "IVR_GOSUB_FRAME"
"""Set in each Gosub frame of our dialplan that is below the call to the service."""
VOLUME_VARIABLE = "VOLUME(RX)"
"""Factor for the caller's audio from now on. Used only in calls that record nothing but a message."""
ABSOLUTE_TIMEOUT_VARIABLE = "TIMEOUT(absolute)"
"""Seconds from now after which the dialplan takes the call back; 0 disables it."""


def volume_adjustment(decibels: float) -> str:
    """Return the value of `VOLUME_VARIABLE` for a change in decibels."""
    return f"{10 ** (decibels / 20):.3f}"
