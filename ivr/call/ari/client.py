"""Connections that the service opens to Asterisk: the WebSocket, reconnecting, and requests over HTTP."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass

import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from ivr.call.ari import protocol
from ivr.call.ari.connection import (
    MAX_FRAME_BYTES,
    PING_INTERVAL_S,
    PROBE_TIMEOUT_S,
    AriConnection,
    ConnectionRegistry,
)
from ivr.call.ari.protocol import Event, Response
from ivr.call.ari.settings import AriSettings
from ivr.call.ari.tls import client_context, describe_tls_error
from ivr.errors import ConnectionLost
from ivr.local_peer import PeerCheck, connect_checked
from ivr.validation.networks import format_address

MIN_RECONNECT_DELAY_S = 0.1
MAX_RECONNECT_DELAY_S = 5.0
CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 10.0
MAX_BODY_BYTES = 4_000_000
"""Bytes of a response: the list of a thousand channels fits."""
POOL_SIZE = 8
"""HTTP connections kept open between requests."""
IDLE_TIMEOUT_S = 5.0
"""Asterisk closes an HTTP connection after 15 s without a request (`session_keep_alive` in http.conf)."""

log = structlog.get_logger()


class AriClient:
    """Keeps one WebSocket open for the application of `settings`.

    `rest_port`: the port for requests over HTTP, by default that of the WebSocket. `check_peer`: called before the
    password is sent without TLS. Raises `SettingsError` if `tls_ca` cannot be used.
    """

    def __init__(
        self,
        settings: AriSettings,
        connections: ConnectionRegistry,
        *,
        rest_port: int | None = None,
        probe_timeout_s: float = PROBE_TIMEOUT_S,
        check_peer: PeerCheck | None = None,
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._rest_port = rest_port or settings.port
        self._probe_timeout_s = probe_timeout_s
        self._application_replaced = False
        self._tls = client_context(settings)
        self._check_peer = None if self._tls else check_peer

    async def run_forever(self) -> None:
        """Connect, and reconnect after each loss, until cancelled."""
        delay_s = MIN_RECONNECT_DELAY_S
        while True:
            self._application_replaced = False
            try:
                await self._run_once()
                delay_s = MIN_RECONNECT_DELAY_S
                log.warning("ari.lost", again_in_s=delay_s)
            except (OSError, TimeoutError, WebSocketException, ConnectionLost) as error:
                log.warning("ari.away", reason=self._describe_error(error), again_in_s=delay_s)
            if self._application_replaced:
                delay_s = MAX_RECONNECT_DELAY_S
                log.error(
                    "ari.replaced",
                    application=self._settings.application,
                    remedy="another service has the same [ari] application: give each instance a name of its own",
                )
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, MAX_RECONNECT_DELAY_S)

    async def _run_once(self) -> None:
        """Serve one connection until it is lost."""
        settings = self._settings
        credentials = base64.b64encode(f"{settings.user}:{settings.password}".encode()).decode()
        scheme = "wss" if self._tls else "ws"
        checked = None
        if self._check_peer:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                checked = await connect_checked(settings.host, settings.port, self._check_peer)
        async with connect(
            f"{scheme}://{format_address(settings.host, settings.port)}/ari/events"
            f"{protocol.build_query(app=settings.application)}",
            sock=checked,
            ssl=self._tls,
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
            rest_client = AriRestClient(settings, self._rest_port, tls=self._tls, check_peer=self._check_peer)
            connection = AriConnection(socket, self._on_event, rest_client, self._probe_timeout_s)
            reading = asyncio.create_task(connection.run_forever())
            try:
                await connection.probe()
                log.info("ari.connected", host=settings.host, port=settings.port, application=settings.application)
                self._connections.register(settings.application, connection)
                await reading
            finally:
                reading.cancel()
                self._connections.unregister(connection)
                rest_client.close()

    def _on_event(self, connection: AriConnection, event: Event) -> None:
        self._application_replaced |= event.get("type") == "ApplicationReplaced"
        self._connections.dispatch(connection, event)

    def _describe_error(self, error: Exception) -> str:
        if isinstance(error, InvalidStatus) and error.response.status_code in (401, 403):
            return f"Asterisk refuses the user {self._settings.user}: its password in ari.conf must be that of [ari]"
        return describe_tls_error(error, self._settings) or str(error) or type(error).__name__


@dataclass(slots=True)
class _PooledConnection:
    """An open HTTP connection, and the loop's time until which it may be used again."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_deadline: float = 0.0

    @property
    def is_usable(self) -> bool:
        is_open = not (self.reader.at_eof() or self.writer.is_closing())
        return is_open and asyncio.get_running_loop().time() < self.idle_deadline


class AriRestClient:
    """Requests over HTTP, for an Asterisk that takes none over the WebSocket (before 22.4).

    A few connections are kept open, and each carries one request after the other: with a connection for each request,
    requests took ten times as long, and Asterisk reported keys pressed meanwhile twice (`player`). Asterisk sends small
    JSON documents with a Content-Length; nothing else of HTTP is implemented.
    """

    def __init__(
        self,
        settings: AriSettings,
        port: int,
        *,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
        check_peer: PeerCheck | None = None,
    ) -> None:
        self._host = settings.host
        self._port = port
        self._credentials = base64.b64encode(f"{settings.user}:{settings.password}".encode()).decode()
        self._idle_timeout_s = idle_timeout_s
        self._tls = tls
        self._check_peer = check_peer
        self._pool: list[_PooledConnection] = []
        self._pool_size = POOL_SIZE

    async def __call__(self, method: str, uri: str) -> Response:
        """Send one request. Raises `ConnectionLost` if no response came."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                connection = self._acquire() or await self._connect()
                try:
                    connection.writer.write(self._format_request(method, uri))
                    response, keep_alive = await _read_response(connection.reader)
                except BaseException:
                    connection.writer.close()
                    raise
                self._release(connection, keep_alive)
                return response
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise ConnectionLost(f"no response from Asterisk to {method} {uri.partition('?')[0]}: {error}") from error

    def close(self) -> None:
        """Close the connections, and keep none open any more."""
        self._pool_size = 0
        while self._pool:
            self._pool.pop().writer.close()

    async def _connect(self) -> _PooledConnection:
        if self._check_peer:
            checked = await connect_checked(self._host, self._port, self._check_peer)
            reader, writer = await asyncio.open_connection(sock=checked, limit=MAX_BODY_BYTES)
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port, limit=MAX_BODY_BYTES, ssl=self._tls)
        return _PooledConnection(reader, writer)

    def _acquire(self) -> _PooledConnection | None:
        """Take the most recently used connection that is usable."""
        while self._pool:
            connection = self._pool.pop()
            if connection.is_usable:
                return connection
            connection.writer.close()
        return None

    def _release(self, connection: _PooledConnection, keep_alive: bool) -> None:
        if keep_alive and len(self._pool) < self._pool_size:
            connection.idle_deadline = asyncio.get_running_loop().time() + self._idle_timeout_s
            self._pool.append(connection)
        else:
            connection.writer.close()

    def _format_request(self, method: str, uri: str) -> bytes:
        lines = [
            f"{method} /ari/{uri} HTTP/1.1",
            f"Host: {format_address(self._host, self._port)}",
            f"Authorization: Basic {self._credentials}",
            "Content-Length: 0",
            "",
            "",
        ]
        return "\r\n".join(lines).encode()


async def _read_response(reader: asyncio.StreamReader) -> tuple[Response, bool]:
    """Read one response; also return whether the connection may be used again. Raises `ValueError`."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/"):
        raise ValueError("not an HTTP response")
    status = int(rest.partition(" ")[0])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    content_length = headers.get("content-length")
    length = int(content_length or 0)
    if not 0 <= length <= MAX_BODY_BYTES:
        raise ValueError(f"a response of {length} bytes")
    body = protocol.parse_body((await reader.readexactly(length)).decode("utf-8", "replace"))
    keep_alive = (content_length is not None or status == 204) and headers.get("connection", "").lower() != "close"
    return Response(status, body), keep_alive
