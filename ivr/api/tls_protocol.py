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
        loop, protocol = asyncio.get_running_loop(), self._build_protocol()
        try:
            encrypted = await loop.start_tls(
                connection,
                protocol,
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
            protocol.connection_made(encrypted)
