"""Which connection carries which application, now. Connections come and go; calls stay, and wait for the next one.

An event belongs to the application that it names. So each call knows its application, and asks through whatever
connection has it when it asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ivr.call.ari import protocol
from ivr.call.ari.connection import Connection
from ivr.call.ari.protocol import Answer, Event
from ivr.errors import LineLost

BACK_WITHIN_S = 20.0
"""How long a call waits for a lost connection to come back."""


class Lines:
    """`heard` is called with each event and its application; `came` when an application has got a connection."""

    def __init__(self) -> None:
        self.heard: Callable[[str, Event], None] = lambda application, event: None
        self.came: Callable[[str], None] = lambda application: None
        self._carried: dict[str, Connection] = {}
        self._changed = asyncio.Event()

    def put(self, application: str, connection: Connection) -> None:
        """From now on `connection` carries that application."""
        if self._carried.get(application) is not connection:
            self._carried[application] = connection
            self._announce()
            self.came(application)

    def take(self, connection: Connection) -> None:
        """A connection is gone."""
        self._carried = {name: other for name, other in self._carried.items() if other is not connection}
        self._announce()

    def carries(self, application: str) -> bool:
        return application in self._carried

    def dispatch(self, connection: Connection, event: Event) -> None:
        """An event came."""
        if application := protocol.text(event, "application"):
            self.heard(application, event)

    async def ask(self, application: str, method: str, uri: str, *, once: bool = False) -> Answer:
        """One request; asked again on the next connection where one was lost meanwhile, unless it may be asked `once`.

        Raises `LineLost`.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + BACK_WITHIN_S
        while True:
            connection = await self._connection(application, until - loop.time())
            try:
                return await connection.ask(method, uri)
            except LineLost:
                if once or loop.time() >= until or not connection.is_closed:
                    raise
                self.take(connection)

    async def close(self) -> None:
        """Close all."""
        for connection in {*self._carried.values()}:
            await connection.close()

    async def _connection(self, application: str, within_s: float) -> Connection:
        try:
            async with asyncio.timeout(max(0, within_s)):
                while (connection := self._carried.get(application)) is None:
                    await self._changed.wait()
                return connection
        except TimeoutError:
            raise LineLost(f"no connection to Asterisk for the application {application}") from None

    def _announce(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
