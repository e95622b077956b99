"""Asterisk dials us: one lasting connection, or one for each call (`websocket_client.conf`)."""

from __future__ import annotations

import hmac

import structlog
from websockets.asyncio.server import Server, ServerConnection, basic_auth, serve
from websockets.typing import Subprotocol

from ivr.call.ari import protocol
from ivr.call.ari.client import MAX_FRAME_BYTES, PING_INTERVAL_S
from ivr.call.ari.connection import AriConnection
from ivr.call.ari.connection_registry import ConnectionRegistry
from ivr.call.ari.per_call_connections import PerCallConnections
from ivr.call.ari.protocol import Event
from ivr.call.ari.settings import AriSettings
from ivr.errors import SettingsError

log = structlog.get_logger()


class AriServer:
    """Takes the connections of Asterisks that know user and password."""

    def __init__(self, settings: AriSettings, connections: ConnectionRegistry) -> None:
        self._settings = settings
        self._connections = connections
        self._server: Server | None = None
        self._per_call_connections = PerCallConnections(settings.application, connections)

    async def start(self) -> None:
        """Raises `SettingsError` where the address cannot be listened at."""
        host, port = self._settings.listen_host, self._settings.listen_port
        takes = self._serve_per_call if self._settings.per_call_connections else self._serve_persistent
        try:
            self._server = await serve(
                takes,
                host,
                port,
                subprotocols=[Subprotocol("ari")],
                compression=None,
                process_request=basic_auth("ivr", check_credentials=self._check_credentials),
                max_size=MAX_FRAME_BYTES,
                max_queue=None,
                close_timeout=1,
                ping_interval=PING_INTERVAL_S,
                ping_timeout=PING_INTERVAL_S,
            )
        except OSError as error:
            remedy = "let listen_host and listen_port of [ari] be others, and the uri in websocket_client.conf too"
            raise SettingsError(f"cannot listen at {host}:{port}: {error.strerror}: {remedy}") from error

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            await self._server.wait_closed()
        await self._per_call_connections.stop()

    def _check_credentials(self, user: str, password: str) -> bool:
        settings = self._settings
        right = hmac.compare_digest(f"{user}:{password}".encode(), f"{settings.user}:{settings.password}".encode())
        if not right:
            log.warning("ari.refused", user=user, remedy="websocket_client.conf needs user and password of [ari]")
        return right

    async def _serve_per_call(self, socket: ServerConnection) -> None:
        await AriConnection(socket, self._per_call_connections.on_event).run_forever()

    async def _serve_persistent(self, socket: ServerConnection) -> None:
        connection = AriConnection(socket, self._on_event)
        self._connections.register(self._settings.application, connection)
        log.info("ari.connected", peer=str(socket.remote_address))
        try:
            await connection.run_forever()
        finally:
            self._connections.unregister(connection)
            log.info("ari.lost", peer=str(socket.remote_address))

    def _on_event(self, connection: AriConnection, event: Event) -> None:
        if application := protocol.get_text(event, "application"):
            self._connections.register(application, connection)  # `apps` in ari.conf may name it otherwise.
        self._connections.dispatch(connection, event)
