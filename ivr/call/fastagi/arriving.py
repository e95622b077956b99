"""What is known of a call that arrives over AGI, whatever carries its lines."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from ivr.call import arguments, identity
from ivr.call.arrival import Arrival
from ivr.call.fastagi.connection import Connection

log = structlog.get_logger()


async def arrival(connection: Connection, path: str, words: Sequence[str], secret: str) -> Arrival:
    """The call on `connection`, which the dialplan has sent to `path` with `words`. Raises `HungUp`, `CallFailed`."""
    headers = connection.headers
    asked, complaints = arguments.parse(path, words)
    for complaint in complaints:
        log.warning("dialplan.argument", complaint=complaint, channel=headers.get("agi_channel"))
    if asked.watchdog:
        connection.watched()
    endpoint, forwarded = await _prove(connection, secret)
    return Arrival(
        channel=headers.get("agi_channel", ""),
        uniqueid=headers.get("agi_uniqueid", ""),
        arguments=asked,
        caller_number=_known(headers.get("agi_callerid", "")),
        caller_name=_known(headers.get("agi_calleridname", "")),
        language=headers.get("agi_language", "en"),
        endpoint=endpoint,
        forwarded=forwarded,
    )


async def _prove(connection: Connection, secret: str) -> tuple[str | None, bool]:
    """In one round trip: whose device it is, and whether the call was forwarded."""
    endpoint = identity.endpoint_of(connection.headers.get("agi_channel", ""))
    if not endpoint or not secret:
        return None, False
    asked = identity.questions(endpoint)
    reply = await connection.command("GET FULL VARIABLE", ":".join(f"${{{question}}}" for question in asked))
    *answers, last = ((reply.note or "") + ":" * len(asked)).split(":", len(asked) - 1)
    return identity.verdict(endpoint, (*answers, last.rstrip(":")), secret)


def _known(value: str) -> str:
    return "" if value == "unknown" else value
