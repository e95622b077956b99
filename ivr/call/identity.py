"""Verification of the device that a call comes from.

A caller id proves nothing, and neither do the headers of a connection: any process on this machine can send them. So
the service reads back, over the transport, a secret from a global variable of its own Asterisk. Only then is the
channel name trusted, and only for a PJSIP endpoint that has to authenticate. A forwarded call has no owner either.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

_CHANNEL_NAME = re.compile(r"PJSIP/(?P<endpoint>[\w.@+-]+)-[0-9a-f]+")
"""The endpoint reaches to the *last* hyphen; Asterisk's running number follows. Local/ channels never match."""


def endpoint_of(channel: str) -> str | None:
    """Return the endpoint of a channel name: "PJSIP/alice-home-0000002f" → "alice-home"; None for other channels."""
    matched = _CHANNEL_NAME.fullmatch(channel)
    return matched["endpoint"] if matched else None


def variables_to_read(endpoint: str) -> tuple[str, ...]:
    """Return the dialplan expressions that `verify` needs the values of. The values are never logged."""
    return (
        "GLOBAL(IVR_SECRET)",
        f"PJSIP_ENDPOINT({endpoint},auth)",
        "REDIRECTING(count)",
        "REDIRECTING(from-num)",
    )


def verify(endpoint: str, values: Sequence[str], secret: str) -> tuple[str | None, bool]:
    """Return the verified endpoint of a call, or None; and whether the call was forwarded.

    `values`: those of `variables_to_read`, in its order.
    """
    channel_secret, auth, forwards, forwarded_from = values
    trusted = hmac.compare_digest(channel_secret.encode(), secret.encode())
    forwarded = forwards not in ("", "0") or bool(forwarded_from)
    return (endpoint if trusted and auth else None), forwarded
