"""Connections that have not said yet what they want: a flood of them keeps no caller and no Asterisk out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from ivr.validation.networks import client_network

T = TypeVar("T")


class SilentConnections(Generic[T]):
    """At most `limit` connections, and at most `per_address` of one address (IPv6: of one network); 0: no such limit.

    If there are too many, the oldest one goes: of the address, or of the address that has most. Asterisk speaks at
    once, so it is hardly Asterisk's, also where strangers connect from the same address.
    """

    def __init__(self, limit: int, per_address: int = 0) -> None:
        self._limit = limit
        self._per_address = per_address or limit
        self._networks: dict[T, str] = {}
        self._connections: dict[str, dict[T, None]] = {}
        """By network, oldest first."""

    def __len__(self) -> int:
        return len(self._networks)

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._networks))

    def add(self, connection: T, address: str) -> T | None:
        """Add a connection. Return one that must be closed if there are too many; it is forgotten."""
        network = client_network(address)
        oldest = None
        if len(self._connections.get(network, ())) >= self._per_address:
            oldest = self._oldest_of(network)
        elif len(self._networks) >= self._limit:
            oldest = self._oldest_of(max(self._connections, key=lambda one: len(self._connections[one])))
        if oldest is not None:
            self.discard(oldest)
        self._networks[connection] = network
        self._connections.setdefault(network, {})[connection] = None
        return oldest

    def discard(self, connection: T) -> None:
        """Forget a connection that has spoken or is closed, if it is there."""
        network = self._networks.pop(connection, None)
        if network is not None:
            del self._connections[network][connection]
            if not self._connections[network]:
                del self._connections[network]

    def _oldest_of(self, network: str) -> T:
        return next(iter(self._connections[network]))


def peer_address(peer: object) -> str:
    """Return the address of a socket's `peername`; "" if it has none."""
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""
