"""Where Asterisk dials us for each call (`per_call_config`): the call is moved to our lasting connection at once.

What Asterisk opens for a call belongs to one Stasis(): it is closed 3 s behind it, with its application, which has the
same name for the call's next Stasis(). A call that has been on an errand would be deaf from then on.
"""

from __future__ import annotations

import asyncio

import structlog

from ivr.call.ari import protocol
from ivr.call.ari.channel import Channel
from ivr.call.ari.connection import Connection
from ivr.call.ari.lines import Lines
from ivr.call.ari.protocol import Answer, Event
from ivr.errors import CallFailed, HungUp

log = structlog.get_logger()


class Bringing:
    """Hears what comes over connections of one call each; `application` is ours, which `lines` carry."""

    def __init__(self, application: str, lines: Lines) -> None:
        self._application = application
        self._lines = lines
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, connection: Connection, event: Event) -> None:
        """An event of such a connection."""
        channel_id, kind = protocol.text(event, "channel", "id"), protocol.text(event, "type")
        if not channel_id or kind not in ("StasisStart", "ApplicationMoveFailed"):
            return
        ours = kind == "StasisStart" and self._lines.carries(self._application)
        if not ours:
            log.warning("call.refused", reason="no lasting connection", application=self._application)
        task = asyncio.create_task(self._bring(connection, channel_id, protocol.texts(event, "args") if ours else None))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _bring(self, connection: Connection, channel_id: str, says: list[str] | None) -> None:
        """To our application, with what the dialplan `says`; None: back to the dialplan, which tries the next name."""

        async def ask(method: str, uri: str, *, once: bool = False) -> Answer:
            return await connection.ask(method, uri)

        channel = Channel(channel_id, self._application, ask)
        try:
            if says is None:
                await channel.post("continue")
            else:
                await channel.post("move", app=self._application, appArgs=",".join(says))
        except (HungUp, CallFailed) as failure:
            log.info("call.not_moved", channel=channel_id, reason=repr(failure))
