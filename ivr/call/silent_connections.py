"""Connections that have not said yet what they want: a flood of them keeps no caller and no Asterisk out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class SilentConnections(Generic[T]):
    """At most `limit` connections, oldest first. Asterisk speaks at once, so the oldest is hardly its."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._connections: dict[T, None] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._connections))

    def add(self, connection: T) -> T | None:
        """Add a connection. Return the oldest if there are too many: it is forgotten, and must be closed."""
        oldest = next(iter(self._connections)) if len(self._connections) >= self._limit else None
        if oldest is not None:
            del self._connections[oldest]
        self._connections[connection] = None
        return oldest

    def discard(self, connection: T) -> None:
        """Forget a connection that has spoken or is closed, if it is there."""
        self._connections.pop(connection, None)
