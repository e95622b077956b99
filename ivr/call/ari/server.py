"""WebSocket server for connections that Asterisk opens (`websocket_client.conf`): a persistent one, or one per call."""

from __future__ import annotations

import asyncio
import hmac
import socket

import structlog
from websockets.asyncio.server import Server, ServerConnection, basic_auth, serve
from websockets.typing import Subprotocol

from ivr.call.ari import protocol
from ivr.call.ari.channel import Channel
from ivr.call.ari.connection import MAX_FRAME_BYTES, PING_INTERVAL_S, AriConnection, ConnectionRegistry
from ivr.call.ari.protocol import Event, Response
from ivr.call.ari.settings import AriSettings
from ivr.errors import CallFailed, HungUp, SettingsError

log = structlog.get_logger()


class AriServer:
    """Accepts connections of Asterisk that authenticate with the user and password of [ari]."""

    def __init__(self, settings: AriSettings, connections: ConnectionRegistry) -> None:
        self._settings = settings
        self._connections = connections
        self._server: Server | None = None
        self._per_call_connections = PerCallConnections(settings.application, connections)

    async def start(self, listener: socket.socket | None = None) -> None:
        """Start listening. Raises `SettingsError` if the address cannot be used.

        `listener`: a socket that listens there already.
        """
        host, port = self._settings.listen_host, self._settings.listen_port
        handler = self._serve_per_call if self._settings.per_call_connections else self._serve_persistent
        try:
            self._server = await serve(
                handler,
                None if listener else host,
                None if listener else port,
                sock=listener,
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
            remedy = "change listen_host or listen_port in [ari], and the uri in websocket_client.conf with it"
            raise SettingsError(f"cannot listen at {host}:{port}: {error.strerror}: {remedy}") from error

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            await self._server.wait_closed()
        await self._per_call_connections.stop()

    def _check_credentials(self, user: str, password: str) -> bool:
        settings = self._settings
        valid = hmac.compare_digest(f"{user}:{password}".encode(), f"{settings.user}:{settings.password}".encode())
        if not valid:
            log.warning("ari.refused", user=user, remedy="websocket_client.conf needs user and password of [ari]")
        return valid

    async def _serve_per_call(self, connected: ServerConnection) -> None:
        await AriConnection(connected, self._per_call_connections.on_event).run_forever()

    async def _serve_persistent(self, connected: ServerConnection) -> None:
        connection = AriConnection(connected, self._on_event)
        self._connections.register(self._settings.application, connection)
        log.info("ari.connected", peer=str(connected.remote_address))
        try:
            await connection.run_forever()
        finally:
            self._connections.unregister(connection)
            log.info("ari.lost", peer=str(connected.remote_address))

    def _on_event(self, connection: AriConnection, event: Event) -> None:
        if application := protocol.get_text(event, "application"):
            self._connections.register(application, connection)  # `apps` in ari.conf may have another name.
        self._connections.dispatch(connection, event)


class PerCallConnections:
    """Per-call WebSockets (`per_call_config`): moves each channel to the persistent application immediately.

    A per-call connection belongs to one Stasis(): Asterisk closes it 3 s after that ends, together with its
    application, which has the same name for the channel's next Stasis(). After a dialplan action the service would get
    no events of the call any more. `application` is the persistent one, which `connections` serve.
    """

    def __init__(self, application: str, connections: ConnectionRegistry) -> None:
        self._application = application
        self._connections = connections
        self._tasks: set[asyncio.Task[None]] = set()

    def on_event(self, connection: AriConnection, event: Event) -> None:
        """Handle an event of a per-call connection."""
        channel_id, event_type = protocol.get_text(event, "channel", "id"), protocol.get_text(event, "type")
        if not channel_id or event_type not in ("StasisStart", "ApplicationMoveFailed"):
            return
        can_move = event_type == "StasisStart" and self._connections.is_connected(self._application)
        if not can_move:
            log.warning("call.refused", reason="no persistent connection", application=self._application)
        arguments = protocol.get_text_list(event, "args") if can_move else None
        task = asyncio.create_task(self._move_to_shared_app(connection, channel_id, arguments))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _move_to_shared_app(
        self, connection: AriConnection, channel_id: str, stasis_arguments: list[str] | None
    ) -> None:
        """Move a channel to the persistent application; without arguments return it to the dialplan, which tries the
        next application."""

        async def send_request(method: str, uri: str, *, at_most_once: bool = False) -> Response:
            return await connection.request(method, uri)

        channel = Channel(channel_id, self._application, send_request)
        try:
            if stasis_arguments is None:
                await channel.post("continue")
            else:
                await channel.post("move", app=self._application, appArgs=",".join(stasis_arguments))
        except (HungUp, CallFailed) as failure:
            log.info("call.not_moved", channel=channel_id, reason=repr(failure))
