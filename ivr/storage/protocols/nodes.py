"""Storage interface of nodes, and of the work that one of them does for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ivr.storage.records import NodeRecord, NodeStatus


class NodeStore(Protocol):
    """The nodes that share the rows. All times are those of the database."""

    async def register(self, node: NodeRecord, verify: Callable[[Sequence[NodeStatus]], None]) -> int | None:
        """Store that a node starts; return the seconds since its last sign, None for a new one.

        `verify(nodes)` is called before, with all nodes that are stored; if it raises, nothing is stored.
        """

    async def record_sign(self, node: NodeRecord) -> int:
        """Store that a node lives, and close the calls of nodes that are lost; return how many were closed."""

    async def record_stop(self, name: str) -> None:
        """Store that the services of a node were stopped."""

    async def list_nodes(self) -> list[NodeStatus]:
        """Return all nodes, by name."""

    async def remove(self, name: str) -> None:
        """Forget a node. Raises `NotFound`; `Conflict` while it runs."""


class LeaseStore(Protocol):
    """Work that one process does for all nodes, by name."""

    async def acquire(self, name: str, duration_s: int) -> bool:
        """Make this process the holder for `duration_s` seconds from now; False if another one is.

        A holder of the same node that has ended is none any more.
        """

    async def trusted_time(self) -> int:
        """Return the Unix time by the clock of a node at which retention ran last with a trusted clock; 0: never."""

    async def store_trusted_time(self, time: int) -> None:
        """Store that `time`, in Unix seconds, is trusted."""
