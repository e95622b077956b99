"""WebSocket server for connections that Asterisk opens (`websocket_client.conf`): a persistent one, or one per call."""

from __future__ import annotations

import asyncio
import hmac
import socket
from functools import partial
from typing import Any

import structlog
from websockets.asyncio.server import Server, ServerConnection, basic_auth, serve
from websockets.typing import Subprotocol

from ivr.call.ari import protocol
from ivr.call.ari.channel import Channel
from ivr.call.ari.connection import MAX_FRAME_BYTES, PING_INTERVAL_S, AriConnection, ConnectionRegistry
from ivr.call.ari.protocol import Event, Response
from ivr.call.ari.settings import AriSettings
from ivr.call.ari.tls import server_context
from ivr.call.silent_connections import SilentConnections, peer_address
from ivr.errors import CallFailed, HungUp, SettingsError
from ivr.validation.networks import format_address

log = structlog.get_logger()


MAX_LOGGED_USER = 40
REFUSAL_DELAY_S = 1.0
"""Seconds until a wrong password is answered, so that few can be tried."""


class AriServer:
    """Accepts connections of Asterisk that authenticate with the user and password of [ari].

    Of connections that have not signed in, `max_silent` of the settings are held.
    """

    def __init__(
        self,
        settings: AriSettings,
        connections: ConnectionRegistry,
        *,
        refusal_delay_s: float = REFUSAL_DELAY_S,
    ) -> None:
        self._settings = settings
        self._silent = SilentConnections(settings.max_silent, settings.max_silent_per_address, _drop_silent)
        self._refusal_delay_s = refusal_delay_s
        self._connections = connections
        self._server: Server | None = None
        self._per_call_connections = PerCallConnections(settings.application, connections)

    async def start(self, listener: socket.socket | None = None) -> None:
        """Start listening. Raises `SettingsError` if the address or the certificate cannot be used.

        `listener`: a socket that listens there already.
        """
        host, port = self._settings.listen_host, self._settings.listen_port
        tls = server_context(self._settings)
        timeout_s = self._settings.handshake_timeout_s
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
                create_connection=partial(_CountedConnection, silent=self._silent),  # type: ignore[arg-type]
                open_timeout=timeout_s,
                ssl=tls,
                ssl_handshake_timeout=timeout_s if tls else None,
                max_size=MAX_FRAME_BYTES,
                max_queue=None,
                close_timeout=1,
                ping_interval=PING_INTERVAL_S,
                ping_timeout=PING_INTERVAL_S,
            )
        except OSError as error:
            remedy = "change listen_host or listen_port in [ari], and the uri in websocket_client.conf with it"
            raise SettingsError(f"cannot listen at {format_address(host, port)}: {error.strerror}: {remedy}") from error

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            for connection in self._silent:
                connection.transport.abort()
            await self._server.wait_closed()
        await self._per_call_connections.stop()

    async def _check_credentials(self, user: str, password: str) -> bool:
        expected = f"{self._settings.user}:{self._settings.password}"
        received = f"{user}:{password}".encode(errors="surrogateescape")  # Bytes that are no UTF-8 arrive in this form.
        valid = hmac.compare_digest(received, expected.encode())
        if not valid:
            remedy = "websocket_client.conf needs user and password of [ari]"
            log.warning("ari.refused", user=ascii(user[:MAX_LOGGED_USER]), remedy=remedy)
            await asyncio.sleep(self._refusal_delay_s)
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


def _drop_silent(connection: ServerConnection) -> None:
    peer = peer_address(connection.transport.get_extra_info("peername"))
    log.info("ari.dropped", reason="too many connections that have not signed in", peer=peer)
    connection.transport.abort()


class _CountedConnection(ServerConnection):
    """A connection that is among the silent ones until it has signed in."""

    def __init__(self, *arguments: Any, silent: SilentConnections[ServerConnection], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._silent = silent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._silent.add(self, peer_address(transport.get_extra_info("peername")))

    async def handshake(self, *arguments: Any, **options: Any) -> None:
        await super().handshake(*arguments, **options)
        self._silent.discard(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._silent.discard(self)
        super().connection_lost(exc)


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
