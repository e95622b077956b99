"""Where Asterisk dials us for each call (`per_call_config`): the call is moved to our lasting connection at once.

What Asterisk opens for a call belongs to one Stasis(): it is closed 3 s behind it, with its application, which has the
same name for the call's next Stasis(). A call that has been on an errand would be deaf from then on.
"""

from __future__ import annotations

import asyncio

import structlog

from ivr.call.ari import protocol
from ivr.call.ari.channel import Channel
from ivr.call.ari.connection import AriConnection
from ivr.call.ari.connection_registry import ConnectionRegistry
from ivr.call.ari.protocol import Event, Response
from ivr.errors import CallFailed, HungUp

log = structlog.get_logger()


class PerCallConnections:
    """Hears what comes over connections of one call each; `application` is ours, which `lines` carry."""

    def __init__(self, application: str, connections: ConnectionRegistry) -> None:
        self._application = application
        self._connections = connections
        self._tasks: set[asyncio.Task[None]] = set()

    def on_event(self, connection: AriConnection, event: Event) -> None:
        """An event of such a connection."""
        channel_id, kind = protocol.get_text(event, "channel", "id"), protocol.get_text(event, "type")
        if not channel_id or kind not in ("StasisStart", "ApplicationMoveFailed"):
            return
        ours = kind == "StasisStart" and self._connections.is_connected(self._application)
        if not ours:
            log.warning("call.refused", reason="no lasting connection", application=self._application)
        task = asyncio.create_task(
            self._move_to_shared_app(connection, channel_id, protocol.get_text_list(event, "args") if ours else None)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _move_to_shared_app(
        self, connection: AriConnection, channel_id: str, stasis_arguments: list[str] | None
    ) -> None:
        """To our application, with what the dialplan `says`; None: back to the dialplan, which tries the next name."""

        async def ask(method: str, uri: str, *, at_most_once: bool = False) -> Response:
            return await connection.request(method, uri)

        channel = Channel(channel_id, self._application, ask)
        try:
            if stasis_arguments is None:
                await channel.post("continue")
            else:
                await channel.post("move", app=self._application, appArgs=",".join(stasis_arguments))
        except (HungUp, CallFailed) as failure:
            log.info("call.not_moved", channel=channel_id, reason=repr(failure))
