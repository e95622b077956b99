"""WebSockets to Asterisk: one connection, and the registry that says which connection serves which application.

Requests go over the WebSocket if Asterisk accepts them there (22.4 and later), else over HTTP (`client.AriRestClient`).
Responses are matched to requests by their number; everything else is an event.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket as sockets
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from websockets.asyncio.connection import Connection as Socket
from websockets.exceptions import ConnectionClosed

from ivr.call.ari import protocol
from ivr.call.ari.protocol import Event, Response
from ivr.errors import ConnectionLost

RESPONSE_TIMEOUT_S = 10.0
"""Seconds that Asterisk may take for a response."""
PROBE_TIMEOUT_S = 2.0
"""Seconds to wait for the first response: an Asterisk that takes no requests over the WebSocket ignores them."""
RECONNECT_TIMEOUT_S = 20.0
"""Seconds that a call waits for a lost connection to be replaced."""
PING_INTERVAL_S = 5.0
"""Seconds between pings. A connection that does not answer one within the same time is lost."""
MAX_FRAME_BYTES = 8_000_000

log = structlog.get_logger()


class Requester(Protocol):
    """Sends requests when the WebSocket does not take them."""

    def __call__(self, method: str, uri: str) -> Awaitable[Response]: ...


class AriConnection:
    """One WebSocket. `on_event` is called with each event, in order and within the turn of the loop that read it."""

    def __init__(
        self,
        socket: Socket,
        on_event: Callable[[AriConnection, Event], None],
        rest_client: Requester | None = None,
        probe_timeout_s: float = PROBE_TIMEOUT_S,
    ) -> None:
        self._socket = socket
        self._on_event = on_event
        self._rest_client = rest_client
        self._probe_timeout_s = probe_timeout_s
        self._use_rest_client = False
        self._request_ids = map(str, itertools.count(1))
        self._pending: dict[str, asyncio.Future[Response]] = {}

    async def run_forever(self) -> None:
        """Read until the socket is closed."""
        try:
            while True:
                self._dispatch(await self._socket.recv())
                self._set_tcp_quickack()
        except ConnectionClosed:
            pass
        finally:
            for pending in self._pending.values():
                if not pending.done():
                    pending.set_exception(ConnectionLost("the connection to Asterisk was lost"))

    async def probe(self) -> None:
        """Find out whether requests go over the WebSocket or over HTTP. Raises `ConnectionLost`."""
        ping = protocol.build_path("asterisk", "ping")
        try:
            response = await self._request_over_websocket("GET", ping, self._probe_timeout_s)
        except ConnectionLost:
            if self._rest_client is None or self.is_closed:
                raise
            self._use_rest_client = True
            response = await self._rest_client("GET", ping)
        if not response.ok:
            raise ConnectionLost(f"Asterisk answers a ping with {response.status}: {response.message}")

    async def request(self, method: str, uri: str) -> Response:
        """Send one request. Raises `ConnectionLost` if no response came; Asterisk may have executed it."""
        if self._use_rest_client and self._rest_client:
            return await self._rest_client(method, uri)
        return await self._request_over_websocket(method, uri, RESPONSE_TIMEOUT_S)

    async def close(self) -> None:
        await self._socket.close()

    @property
    def is_closed(self) -> bool:
        return self._socket.close_code is not None

    async def _request_over_websocket(self, method: str, uri: str, timeout_s: float) -> Response:
        request_id = next(self._request_ids)
        self._pending[request_id] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send(protocol.format_request(request_id, method, uri))
            async with asyncio.timeout(timeout_s):
                return await self._pending[request_id]
        except (ConnectionClosed, TimeoutError) as error:
            raise ConnectionLost(f"no response from Asterisk to {method} {uri.partition('?')[0]}") from error
        finally:
            del self._pending[request_id]

    def _dispatch(self, frame: str | bytes) -> None:
        event = protocol.parse_frame(frame)
        if event is None:
            log.warning("ari.invalid_frame", frame=str(frame[:80]))
        elif event.get("type") == protocol.REST_RESPONSE:
            request_id, response = protocol.parse_response(event)
            if (pending := self._pending.get(request_id)) and not pending.done():
                pending.set_result(response)
        else:
            self._on_event(self, event)

    def _set_tcp_quickack(self) -> None:
        """Acknowledge immediately: if Asterisk has opened the connection, delayed acknowledgements hold its small
        writes back for 40 ms. The kernel forgets the option after each packet."""
        raw = self._socket.transport.get_extra_info("socket")
        if raw is not None and hasattr(sockets, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):  # It is closed, or not TCP.
                raw.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_QUICKACK, 1)


class ConnectionRegistry:
    """The connection that serves each application now. Connections come and go; calls wait for the next one.

    An event names its application, and each call knows its own. `on_event` is called with each event and its
    application, `on_connected` when an application has got a connection.
    """

    def __init__(self) -> None:
        self.on_event: Callable[[str, Event], None] = lambda application, event: None
        self.on_connected: Callable[[str], None] = lambda application: None
        self._connections: dict[str, AriConnection] = {}
        self._changed = asyncio.Event()

    def register(self, application: str, connection: AriConnection) -> None:
        """Let `connection` serve `application` from now on."""
        if self._connections.get(application) is not connection:
            self._connections[application] = connection
            self._notify()
            self.on_connected(application)

    def unregister(self, connection: AriConnection) -> None:
        """Remove a lost connection."""
        self._connections = {name: other for name, other in self._connections.items() if other is not connection}
        self._notify()

    def is_connected(self, application: str) -> bool:
        return application in self._connections

    def dispatch(self, connection: AriConnection, event: Event) -> None:
        """Pass on an event that came over `connection`."""
        if application := protocol.get_text(event, "application"):
            self.on_event(application, event)

    async def request(self, application: str, method: str, uri: str, *, at_most_once: bool = False) -> Response:
        """Send one request; repeat it on the next connection if one was lost meanwhile, unless `at_most_once`.

        Raises `ConnectionLost`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + RECONNECT_TIMEOUT_S
        while True:
            connection = await self._wait_for_connection(application, deadline - loop.time())
            try:
                return await connection.request(method, uri)
            except ConnectionLost:
                if at_most_once or loop.time() >= deadline or not connection.is_closed:
                    raise
                self.unregister(connection)

    async def close(self) -> None:
        """Close all connections."""
        for connection in {*self._connections.values()}:
            await connection.close()

    async def _wait_for_connection(self, application: str, timeout_s: float) -> AriConnection:
        try:
            async with asyncio.timeout(max(0, timeout_s)):
                while (connection := self._connections.get(application)) is None:
                    await self._changed.wait()
                return connection
        except TimeoutError:
            raise ConnectionLost(f"no connection to Asterisk for the application {application}") from None

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
