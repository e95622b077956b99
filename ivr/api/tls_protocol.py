"""TLS of the REST API: the limits on connections hold from the first moment, not only after the handshake.

asyncio shows a protocol a connection when its handshake is over. Until then a client could hold any number of
connections for a minute each.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from ivr.api.http_protocol import ConnectionLimits, LimitedHttpProtocol


class _EarlyData(asyncio.Protocol):
    """Keeps what arrives behind the handshake until the connection is handed over.

    A client of TLS 1.3 sends its request with the last message of its handshake, and asyncio delivers it at once.
    """

    def __init__(self) -> None:
        self._data: list[bytes] = []
        self._successor: LimitedHttpProtocol | None = None
        self._is_lost = False

    def data_received(self, data: bytes) -> None:
        self._data.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        if self._successor:
            self._successor.connection_lost(exc)

    def hand_over(self, connection: asyncio.Transport, successor: LimitedHttpProtocol) -> None:
        """Let `successor` have the connection and what has arrived. A connection that is lost already is left."""
        if self._is_lost:
            return
        self._successor = successor
        connection.set_protocol(successor)
        successor.connection_made(connection)
        for data in self._data:
            successor.data_received(data)


class TlsHandshake(asyncio.Protocol):
    """Makes the handshake of one connection, then hands it to the protocol that `build_protocol` makes."""

    def __init__(
        self, build_protocol: Callable[[], LimitedHttpProtocol], context: ssl.SSLContext, limits: ConnectionLimits
    ) -> None:
        self._build_protocol = build_protocol
        self._context = context
        self._limits = limits
        self._task: asyncio.Task[None] | None = None
        """Kept, because the loop keeps no reference to it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast(asyncio.Transport, transport)
        peer = connection.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        if not self._limits.admit(address):
            connection.abort()
            return
        connection.pause_reading()  # What arrives before the handshake begins is part of it.
        self._task = asyncio.get_running_loop().create_task(self._shake_hands(connection, address))

    async def _shake_hands(self, connection: asyncio.Transport, address: str) -> None:
        loop, early = asyncio.get_running_loop(), _EarlyData()
        try:
            encrypted = await loop.start_tls(
                connection,
                early,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._limits.head_timeout_s,
            )
        except (OSError, asyncio.CancelledError):  # Also a client that speaks no TLS, and one that is silent.
            connection.abort()
            return
        finally:
            self._limits.release(address)
        if encrypted is None:
            connection.abort()
        else:
            early.hand_over(encrypted, self._build_protocol())
