"""Asterisk dials us: one lasting connection, or one for each call (`websocket_client.conf`)."""

from __future__ import annotations

import hmac

import structlog
from websockets.asyncio.server import Server, ServerConnection, basic_auth, serve
from websockets.typing import Subprotocol

from ivr.call.ari import protocol
from ivr.call.ari.bringing import Bringing
from ivr.call.ari.connection import Connection
from ivr.call.ari.dialling import ALIVE_EVERY_S, LONGEST_FRAME
from ivr.call.ari.lines import Lines
from ivr.call.ari.protocol import Event
from ivr.call.ari.settings import AriSettings
from ivr.errors import SettingsError

log = structlog.get_logger()


class Listening:
    """Takes the connections of Asterisks that know user and password."""

    def __init__(self, settings: AriSettings, lines: Lines) -> None:
        self._settings = settings
        self._lines = lines
        self._server: Server | None = None
        self._bringing = Bringing(settings.application, lines)

    async def start(self) -> None:
        """Raises `SettingsError` where the address cannot be listened at."""
        host, port = self._settings.listen_host, self._settings.listen_port
        takes = self._for_a_call if self._settings.listen_per_call else self._lasting
        try:
            self._server = await serve(
                takes, host, port, subprotocols=[Subprotocol("ari")], compression=None,
                process_request=basic_auth("ivr", check_credentials=self._knows), max_size=LONGEST_FRAME,
                max_queue=None, close_timeout=1, ping_interval=ALIVE_EVERY_S, ping_timeout=ALIVE_EVERY_S,
            )  # fmt: skip
        except OSError as error:
            remedy = "let listen_host and listen_port of [ari] be others, and the uri in websocket_client.conf too"
            raise SettingsError(f"cannot listen at {host}:{port}: {error.strerror}: {remedy}") from error

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            await self._server.wait_closed()
        await self._bringing.stop()

    def _knows(self, user: str, password: str) -> bool:
        settings = self._settings
        right = hmac.compare_digest(f"{user}:{password}".encode(), f"{settings.user}:{settings.password}".encode())
        if not right:
            log.warning("ari.refused", user=user, remedy="websocket_client.conf needs user and password of [ari]")
        return right

    async def _for_a_call(self, socket: ServerConnection) -> None:
        await Connection(socket, self._bringing.heard).run()

    async def _lasting(self, socket: ServerConnection) -> None:
        connection = Connection(socket, self._heard)
        self._lines.put(self._settings.application, connection)
        log.info("ari.connected", peer=str(socket.remote_address))
        try:
            await connection.run()
        finally:
            self._lines.take(connection)
            log.info("ari.lost", peer=str(socket.remote_address))

    def _heard(self, connection: Connection, event: Event) -> None:
        if application := protocol.text(event, "application"):
            self._lines.put(application, connection)  # `apps` in ari.conf may name it otherwise.
        self._lines.dispatch(connection, event)
