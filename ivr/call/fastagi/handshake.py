"""What is known of a call that arrives over AGI, whatever carries its lines."""

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
    """The call on `connection`, which the dialplan has sent to `path` with `words`. Raises `HungUp`, `CallFailed`."""
    headers = connection.headers
    asked, complaints = arguments.parse(path, words)
    for complaint in complaints:
        log.warning("dialplan.argument", complaint=complaint, channel=headers.get("agi_channel"))
    if asked.watchdog:
        connection.start_watchdog()
    endpoint, forwarded = await _verify_identity(connection, secret)
    return IncomingCall(
        channel=headers.get("agi_channel", ""),
        uniqueid=headers.get("agi_uniqueid", ""),
        arguments=asked,
        caller_number=_empty_if_unknown(headers.get("agi_callerid", "")),
        caller_name=_empty_if_unknown(headers.get("agi_calleridname", "")),
        language=headers.get("agi_language", "en"),
        endpoint=endpoint,
        forwarded=forwarded,
    )


async def _verify_identity(connection: FastAgiConnection, secret: str) -> tuple[str | None, bool]:
    """In one round trip: whose device it is, and whether the call was forwarded."""
    endpoint = identity.endpoint_of(connection.headers.get("agi_channel", ""))
    if not endpoint or not secret:
        return None, False
    asked = identity.variables_to_read(endpoint)
    reply = await connection.send_command("GET FULL VARIABLE", ":".join(f"${{{question}}}" for question in asked))
    *answers, last = ((reply.data or "") + ":" * len(asked)).split(":", len(asked) - 1)
    return identity.verify(endpoint, (*answers, last.rstrip(":")), secret)


def _empty_if_unknown(value: str) -> str:
    return "" if value == "unknown" else value
