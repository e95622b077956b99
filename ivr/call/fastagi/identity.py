"""Which device a call is proven to come from (design, idea 10).

A caller id proves nothing, and neither does a header block on our socket: any process on this machine can send one. So
we read back, over AGI, a secret that stands in a global variable of our own Asterisk. Only then is the channel name
believed, and only of a PJSIP endpoint that has to authenticate. A call that was forwarded has no owner either.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

from ivr.call.fastagi.connection import Connection

_CHANNEL = re.compile(r"PJSIP/(?P<endpoint>[\w.@+-]+)-[0-9a-f]+")
"""The endpoint reaches up to the *last* hyphen; what lies behind it is Asterisk's running number. Never Local/."""


def endpoint_of(channel: str) -> str | None:
    """The endpoint that a channel name tells of: "PJSIP/alice-home-0000002f" → "alice-home"."""
    matched = _CHANNEL.fullmatch(channel)
    return matched["endpoint"] if matched else None


async def prove(connection: Connection, headers: Mapping[str, str], secret: str) -> tuple[str | None, bool]:
    """The endpoint that this call comes from beyond doubt, or None; and whether the call was forwarded.

    One round trip; nothing is logged.
    """
    endpoint = endpoint_of(headers.get("agi_channel", ""))
    if not endpoint or not secret:
        return None, False
    reply = await connection.command(
        "GET FULL VARIABLE",
        f"${{GLOBAL(IVR_SECRET)}}:${{PJSIP_ENDPOINT({endpoint},auth)}}:${{REDIRECTING(count)}}:${{REDIRECTING(from-num)}}",
    )
    told, auth, forwards, forwarded_from = ((reply.note or "") + ":::").split(":", 3)
    trusted = hmac.compare_digest(told.encode(), secret.encode())
    forwarded = forwards not in ("", "0") or bool(forwarded_from.rstrip(":"))
    return (endpoint if trusted and auth else None), forwarded
