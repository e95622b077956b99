"""We dial Asterisk, and dial again when the connection is lost."""

from __future__ import annotations

import asyncio
import base64

import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from ivr.call.ari import protocol
from ivr.call.ari.connection import AriConnection
from ivr.call.ari.connection_registry import ConnectionRegistry
from ivr.call.ari.protocol import Event
from ivr.call.ari.rest_client import AriRestClient
from ivr.call.ari.settings import AriSettings
from ivr.errors import ConnectionLost

MIN_RECONNECT_DELAY_S = 0.1
MAX_RECONNECT_DELAY_S = 5.0
PING_INTERVAL_S = 5.0
"""A connection that does not answer a ping within this is lost."""
MAX_FRAME_BYTES = 8_000_000
CONNECT_TIMEOUT_S = 5.0

log = structlog.get_logger()


class AriClient:
    """Keeps the one connection of one application up."""

    def __init__(self, settings: AriSettings, connections: ConnectionRegistry) -> None:
        self._settings = settings
        self._connections = connections
        self._application_replaced = False

    async def run_forever(self) -> None:
        """Until cancelled."""
        pause_s = MIN_RECONNECT_DELAY_S
        while True:
            self._application_replaced = False
            try:
                await self._run_once()
                pause_s = MIN_RECONNECT_DELAY_S
                log.warning("ari.lost", again_in_s=pause_s)
            except (OSError, TimeoutError, WebSocketException, ConnectionLost) as error:
                log.warning("ari.away", reason=self._describe_error(error), again_in_s=pause_s)
            if self._application_replaced:
                pause_s = MAX_RECONNECT_DELAY_S
                log.error(
                    "ari.replaced",
                    application=self._settings.application,
                    remedy="another service has the same [ari] application: each instance needs a name of its own",
                )
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, MAX_RECONNECT_DELAY_S)

    async def _run_once(self) -> None:
        """One connection, from its beginning to its end."""
        where = self._settings
        credentials = base64.b64encode(f"{where.user}:{where.password}".encode()).decode()
        uri = f"ws://{where.host}:{where.port}/ari/events{protocol.build_query(app=where.application)}"
        async with connect(
            uri,
            additional_headers={"Authorization": f"Basic {credentials}"},
            compression=None,
            proxy=None,
            max_size=MAX_FRAME_BYTES,
            max_queue=None,
            open_timeout=CONNECT_TIMEOUT_S,
            close_timeout=1,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_INTERVAL_S,
        ) as socket:
            http = AriRestClient(where.host, where.port, where.user, where.password)
            connection = AriConnection(socket, self._on_event, http)
            reading = asyncio.create_task(connection.run_forever())
            try:
                await connection.probe()
                log.info("ari.connected", host=where.host, port=where.port, application=where.application)
                self._connections.register(where.application, connection)
                await reading
            finally:
                reading.cancel()
                self._connections.unregister(connection)
                http.close()

    def _on_event(self, connection: AriConnection, event: Event) -> None:
        self._application_replaced |= event.get("type") == "ApplicationReplaced"
        self._connections.dispatch(connection, event)

    def _describe_error(self, error: Exception) -> str:
        if isinstance(error, InvalidStatus) and error.response.status_code in (401, 403):
            return f"Asterisk refuses the user {self._settings.user}: its password in ari.conf must be that of [ari]"
        return str(error) or type(error).__name__
