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
from ivr.call.ari.protocol import Answer, Event
from ivr.errors import LineLost

ANSWER_WITHIN_S = 10.0
"""How long Asterisk may take for an answer."""
OFFERED_WITHIN_S = 2.0
"""An Asterisk that takes no requests over the WebSocket says nothing to them."""

log = structlog.get_logger()


class Asker(Protocol):
    """Who carries a request when the WebSocket does not."""

    def __call__(self, method: str, uri: str) -> Awaitable[Answer]: ...


class Connection:
    """`heard` is called with each event, in their order, in the loop's own turn."""

    def __init__(
        self, socket: Socket, heard: Callable[[Connection, Event], None], otherwise: Asker | None = None
    ) -> None:
        self._socket = socket
        self._heard = heard
        self._otherwise = otherwise
        self._over_http = False
        self._numbers = map(str, itertools.count(1))
        self._asked: dict[str, asyncio.Future[Answer]] = {}

    async def run(self) -> None:
        """Read until the socket is closed."""
        try:
            while True:
                self._take(await self._socket.recv())
                self._acknowledge()
        except ConnectionClosed:
            pass
        finally:
            for waiting in self._asked.values():
                if not waiting.done():
                    waiting.set_exception(LineLost("the connection to Asterisk was lost"))

    async def probe(self) -> None:
        """Find out which way requests go. Raises `LineLost`."""
        try:
            found = await self._ask("GET", protocol.path("asterisk", "ping"), OFFERED_WITHIN_S)
        except LineLost:
            if self._otherwise is None or self.is_closed:
                raise
            self._over_http = True
            found = await self._otherwise("GET", protocol.path("asterisk", "ping"))
        if not found.ok:
            raise LineLost(f"Asterisk says {found.status} to a ping: {found.message}")

    async def ask(self, method: str, uri: str) -> Answer:
        """One request. Raises `LineLost` where no answer came: it may have been done."""
        if self._over_http and self._otherwise:
            return await self._otherwise(method, uri)
        return await self._ask(method, uri, ANSWER_WITHIN_S)

    async def close(self) -> None:
        await self._socket.close()

    @property
    def is_closed(self) -> bool:
        return self._socket.close_code is not None

    async def _ask(self, method: str, uri: str, within_s: float) -> Answer:
        number = next(self._numbers)
        self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send(protocol.request(number, method, uri))
            async with asyncio.timeout(within_s):
                return await self._asked[number]
        except (ConnectionClosed, TimeoutError) as error:
            raise LineLost(f"no answer from Asterisk to {method} {uri.partition('?')[0]}") from error
        finally:
            del self._asked[number]

    def _take(self, frame: str | bytes) -> None:
        event = protocol.read(frame)
        if event is None:
            log.warning("ari.nonsense", frame=str(frame[:80]))
        elif event.get("type") == protocol.REST_ANSWER:
            number, answer = protocol.answer(event)
            if (waiting := self._asked.get(number)) and not waiting.done():
                waiting.set_result(answer)
        else:
            self._heard(self, event)

    def _acknowledge(self) -> None:
        """At once: where Asterisk has dialled us, delayed acknowledgements hold its small writes back for 40 ms. The
        kernel forgets it after each packet."""
        raw = self._socket.transport.get_extra_info("socket")
        if raw is not None and hasattr(sockets, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):  # It is closed, or no TCP.
                raw.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_QUICKACK, 1)
