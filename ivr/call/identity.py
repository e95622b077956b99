"""Which device a call is proven to come from (design, idea 10).

A caller id proves nothing, and neither does what a peer says first: any process on this machine can say it. So we read
back, over the transport, a secret that stands in a global variable of our own Asterisk. Only then is the channel name
believed, and only of a PJSIP endpoint that has to authenticate. A call that was forwarded has no owner either.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

_CHANNEL_NAME = re.compile(r"PJSIP/(?P<endpoint>[\w.@+-]+)-[0-9a-f]+")
"""The endpoint reaches up to the *last* hyphen; what lies behind it is Asterisk's running number. Never Local/."""


def endpoint_of(channel: str) -> str | None:
    """The endpoint that a channel name tells of: "PJSIP/alice-home-0000002f" → "alice-home"."""
    matched = _CHANNEL_NAME.fullmatch(channel)
    return matched["endpoint"] if matched else None


def variables_to_read(endpoint: str) -> tuple[str, ...]:
    """What to read of the channel, in the words of the dialplan. Nothing of the answers is ever logged."""
    return (
        "GLOBAL(IVR_SECRET)",
        f"PJSIP_ENDPOINT({endpoint},auth)",
        "REDIRECTING(count)",
        "REDIRECTING(from-num)",
    )


def verify(endpoint: str, values: Sequence[str], secret: str) -> tuple[str | None, bool]:
    """The endpoint that this call comes from beyond doubt, or None; and whether the call was forwarded."""
    told, auth, forwards, forwarded_from = values
    trusted = hmac.compare_digest(told.encode(), secret.encode())
    forwarded = forwards not in ("", "0") or bool(forwarded_from)
    return (endpoint if trusted and auth else None), forwarded
