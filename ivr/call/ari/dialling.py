"""We dial Asterisk, and dial again when the connection is lost."""

from __future__ import annotations

import asyncio
import base64

import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from ivr.call.ari import protocol
from ivr.call.ari.connection import Connection
from ivr.call.ari.http import Http
from ivr.call.ari.lines import Lines
from ivr.call.ari.protocol import Event
from ivr.call.ari.settings import AriSettings
from ivr.errors import LineLost

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
ALIVE_EVERY_S = 5.0
"""A connection that does not answer a ping within this is lost."""
LONGEST_FRAME = 8_000_000
WITHIN_S = 5.0

log = structlog.get_logger()


class Dialling:
    """Keeps the one connection of one application up."""

    def __init__(self, settings: AriSettings, lines: Lines) -> None:
        self._settings = settings
        self._lines = lines
        self._replaced = False

    async def run(self) -> None:
        """Until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            self._replaced = False
            try:
                await self._one()
                pause_s = FIRST_PAUSE_S
                log.warning("ari.lost", again_in_s=pause_s)
            except (OSError, TimeoutError, WebSocketException, LineLost) as error:
                log.warning("ari.away", reason=self._told(error), again_in_s=pause_s)
            if self._replaced:
                pause_s = LONGEST_PAUSE_S
                log.error(
                    "ari.replaced", application=self._settings.application,
                    remedy="another service has the same [ari] application: each instance needs a name of its own",
                )  # fmt: skip
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _one(self) -> None:
        """One connection, from its beginning to its end."""
        where = self._settings
        credentials = base64.b64encode(f"{where.user}:{where.password}".encode()).decode()
        uri = f"ws://{where.host}:{where.port}/ari/events{protocol.query(app=where.application)}"
        async with connect(
            uri, additional_headers={"Authorization": f"Basic {credentials}"}, compression=None, proxy=None,
            max_size=LONGEST_FRAME, max_queue=None, open_timeout=WITHIN_S, close_timeout=1,
            ping_interval=ALIVE_EVERY_S, ping_timeout=ALIVE_EVERY_S,
        ) as socket:  # fmt: skip
            http = Http(where.host, where.port, where.user, where.password)
            connection = Connection(socket, self._heard, http)
            reading = asyncio.create_task(connection.run())
            try:
                await connection.probe()
                log.info("ari.connected", host=where.host, port=where.port, application=where.application)
                self._lines.put(where.application, connection)
                await reading
            finally:
                reading.cancel()
                self._lines.take(connection)
                http.close()

    def _heard(self, connection: Connection, event: Event) -> None:
        self._replaced |= event.get("type") == "ApplicationReplaced"
        self._lines.dispatch(connection, event)

    def _told(self, error: Exception) -> str:
        if isinstance(error, InvalidStatus) and error.response.status_code in (401, 403):
            return f"Asterisk refuses the user {self._settings.user}: its password in ari.conf must be that of [ari]"
        return str(error) or type(error).__name__
