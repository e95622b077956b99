"""Connections that have not said yet what they want: a flood of them keeps no caller and no Asterisk out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from ivr.validation.networks import client_network

SPEAKS_WITHIN_S = 0.1
MAX_ARRIVING = 1000
"""Connections that may wait for this time at once; then the oldest of them counts at once."""

T = TypeVar("T")


class SilentConnections(Generic[T]):
    """At most `limit` connections, and at most `per_address` of one address (IPv6: of one network); 0: no such limit.

    If there are too many, the oldest one is closed: of the address, or of the address that has most. Asterisk speaks
    at once, so it is hardly Asterisk's, also where strangers connect from the same address. A connection counts when it
    has said nothing for `SPEAKS_WITHIN_S`: many calls arrive in one moment when the service starts again, and what
    they have said is read only after all of them are accepted.
    """

    def __init__(self, limit: int, per_address: int, close: Callable[[T], None]) -> None:
        self._limit = limit
        self._per_address = per_address or limit
        self._close = close
        self._arriving: dict[T, str] = {}
        """Connections that do not count yet, with their networks; oldest first."""
        self._networks: dict[T, str] = {}
        self._connections: dict[str, dict[T, None]] = {}
        """By network, oldest first."""

    def __len__(self) -> int:
        return len(self._arriving) + len(self._networks)

    def __iter__(self) -> Iterator[T]:
        return iter((*self._arriving, *self._networks))

    def add(self, connection: T, address: str) -> None:
        """Add a connection; close one if there are too many, now or as soon as it counts."""
        if len(self._arriving) >= MAX_ARRIVING:
            self._count(next(iter(self._arriving)))
        self._arriving[connection] = client_network(address)
        asyncio.get_running_loop().call_later(SPEAKS_WITHIN_S, self._count, connection)

    def discard(self, connection: T) -> None:
        """Forget a connection that has spoken or is closed, if it is there."""
        self._arriving.pop(connection, None)
        network = self._networks.pop(connection, None)
        if network is not None:
            del self._connections[network][connection]
            if not self._connections[network]:
                del self._connections[network]

    def _count(self, connection: T) -> None:
        network = self._arriving.pop(connection, None)
        if network is None:
            return  # It has spoken, is closed, or counts already.
        oldest = None
        if len(self._connections.get(network, ())) >= self._per_address:
            oldest = self._oldest_of(network)
        elif len(self._networks) >= self._limit:
            oldest = self._oldest_of(max(self._connections, key=lambda one: len(self._connections[one])))
        if oldest is not None:
            self.discard(oldest)
            self._close(oldest)
        self._networks[connection] = network
        self._connections.setdefault(network, {})[connection] = None

    def _oldest_of(self, network: str) -> T:
        return next(iter(self._connections[network]))


def peer_address(peer: object) -> str:
    """Return the address of a socket's `peername`; "" if it has none."""
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""
