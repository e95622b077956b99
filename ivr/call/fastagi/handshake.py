"""The incoming call of an AGI connection, over FastAGI or classic AGI."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from ivr.call import arguments, identity
from ivr.call.fastagi.connection import FastAgiConnection
from ivr.call.incoming import IncomingCall

log = structlog.get_logger()


async def read_incoming_call(
    connection: FastAgiConnection, path: str, words: Sequence[str], secret: str
) -> IncomingCall:
    """Return the call on `connection`, which the dialplan has sent to `path` with `words`.

    Raises `HungUp`, `CallFailed`.
    """
    headers = connection.headers
    parsed, warnings = arguments.parse(path, words)
    for warning in warnings:
        log.warning("dialplan.argument", warning=warning, channel=headers.get("agi_channel"))
    if parsed.watchdog:
        connection.start_watchdog()
    endpoint, forwarded = await _verify_identity(connection, secret)
    return IncomingCall(
        channel=headers.get("agi_channel", ""),
        uniqueid=headers.get("agi_uniqueid", ""),
        arguments=parsed,
        caller_number=_empty_if_unknown(headers.get("agi_callerid", "")),
        caller_name=_empty_if_unknown(headers.get("agi_calleridname", "")),
        language=headers.get("agi_language", "en"),
        endpoint=endpoint,
        forwarded=forwarded,
    )


async def _verify_identity(connection: FastAgiConnection, secret: str) -> tuple[str | None, bool]:
    """Return the verified endpoint, and whether the call was forwarded; in one round trip."""
    endpoint = identity.endpoint_of(connection.headers.get("agi_channel", ""))
    if not endpoint or not secret:
        return None, False
    expressions = identity.variables_to_read(endpoint)
    reply = await connection.send_command(
        "GET FULL VARIABLE", ":".join(f"${{{expression}}}" for expression in expressions)
    )
    count = len(expressions)
    *values, last = ((reply.data or "") + ":" * count).split(":", count - 1)
    return identity.verify(endpoint, (*values, last.rstrip(":")), secret)


def _empty_if_unknown(value: str) -> str:
    return "" if value == "unknown" else value
