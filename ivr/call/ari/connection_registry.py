"""Which connection carries which application, now. Connections come and go; calls stay, and wait for the next one.

An event belongs to the application that it names. So each call knows its application, and asks through whatever
connection has it when it asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ivr.call.ari import protocol
from ivr.call.ari.connection import AriConnection
from ivr.call.ari.protocol import Event, Response
from ivr.errors import ConnectionLost

RECONNECT_TIMEOUT_S = 20.0
"""How long a call waits for a lost connection to come back."""


class ConnectionRegistry:
    """`heard` is called with each event and its application; `came` when an application has got a connection."""

    def __init__(self) -> None:
        self.on_event: Callable[[str, Event], None] = lambda application, event: None
        self.on_connected: Callable[[str], None] = lambda application: None
        self._connections: dict[str, AriConnection] = {}
        self._changed = asyncio.Event()

    def register(self, application: str, connection: AriConnection) -> None:
        """From now on `connection` carries that application."""
        if self._connections.get(application) is not connection:
            self._connections[application] = connection
            self._notify()
            self.on_connected(application)

    def unregister(self, connection: AriConnection) -> None:
        """A connection is gone."""
        self._connections = {name: other for name, other in self._connections.items() if other is not connection}
        self._notify()

    def is_connected(self, application: str) -> bool:
        return application in self._connections

    def dispatch(self, connection: AriConnection, event: Event) -> None:
        """An event came."""
        if application := protocol.get_text(event, "application"):
            self.on_event(application, event)

    async def request(self, application: str, method: str, uri: str, *, at_most_once: bool = False) -> Response:
        """One request; asked again on the next connection where one was lost meanwhile, unless it may be asked `once`.

        Raises `ConnectionLost`.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + RECONNECT_TIMEOUT_S
        while True:
            connection = await self._wait_for_connection(application, until - loop.time())
            try:
                return await connection.request(method, uri)
            except ConnectionLost:
                if at_most_once or loop.time() >= until or not connection.is_closed:
                    raise
                self.unregister(connection)

    async def close(self) -> None:
        """Close all."""
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
