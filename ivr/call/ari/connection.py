"""One WebSocket to Asterisk: requests find their answers by number, everything else is an event.

Requests go over the same socket where this Asterisk takes them there (22.4 and later), else over HTTP (`http`).
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
"""How long Asterisk may take for an answer."""
PROBE_TIMEOUT_S = 2.0
"""An Asterisk that takes no requests over the WebSocket says nothing to them."""

log = structlog.get_logger()


class Requester(Protocol):
    """Who carries a request when the WebSocket does not."""

    def __call__(self, method: str, uri: str) -> Awaitable[Response]: ...


class AriConnection:
    """`heard` is called with each event, in their order, in the loop's own turn."""

    def __init__(
        self, socket: Socket, on_event: Callable[[AriConnection, Event], None], rest_client: Requester | None = None
    ) -> None:
        self._socket = socket
        self._on_event = on_event
        self._rest_client = rest_client
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
            for waiting in self._pending.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionLost("the connection to Asterisk was lost"))

    async def probe(self) -> None:
        """Find out which way requests go. Raises `ConnectionLost`."""
        try:
            found = await self._request_over_websocket("GET", protocol.build_path("asterisk", "ping"), PROBE_TIMEOUT_S)
        except ConnectionLost:
            if self._rest_client is None or self.is_closed:
                raise
            self._use_rest_client = True
            found = await self._rest_client("GET", protocol.build_path("asterisk", "ping"))
        if not found.ok:
            raise ConnectionLost(f"Asterisk says {found.status} to a ping: {found.message}")

    async def request(self, method: str, uri: str) -> Response:
        """One request. Raises `ConnectionLost` where no answer came: it may have been done."""
        if self._use_rest_client and self._rest_client:
            return await self._rest_client(method, uri)
        return await self._request_over_websocket(method, uri, RESPONSE_TIMEOUT_S)

    async def close(self) -> None:
        await self._socket.close()

    @property
    def is_closed(self) -> bool:
        return self._socket.close_code is not None

    async def _request_over_websocket(self, method: str, uri: str, timeout_s: float) -> Response:
        number = next(self._request_ids)
        self._pending[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send(protocol.format_request(number, method, uri))
            async with asyncio.timeout(timeout_s):
                return await self._pending[number]
        except (ConnectionClosed, TimeoutError) as error:
            raise ConnectionLost(f"no answer from Asterisk to {method} {uri.partition('?')[0]}") from error
        finally:
            del self._pending[number]

    def _dispatch(self, frame: str | bytes) -> None:
        event = protocol.parse_frame(frame)
        if event is None:
            log.warning("ari.nonsense", frame=str(frame[:80]))
        elif event.get("type") == protocol.REST_RESPONSE:
            number, answer = protocol.parse_response(event)
            if (waiting := self._pending.get(number)) and not waiting.done():
                waiting.set_result(answer)
        else:
            self._on_event(self, event)

    def _set_tcp_quickack(self) -> None:
        """At once: where Asterisk has dialled us, delayed acknowledgements hold its small writes back for 40 ms. The
        kernel forgets it after each packet."""
        raw = self._socket.transport.get_extra_info("socket")
        if raw is not None and hasattr(sockets, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):  # It is closed, or no TCP.
                raw.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_QUICKACK, 1)
