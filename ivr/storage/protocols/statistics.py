"""Storage interface of metrics, overview, and of what has changed. Each method reads a bounded number of rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from ivr.storage.records import BoxContent, Overview, WorkStatistics


class StatisticsStore(Protocol):
    """Numbers of an installation for the metrics."""

    async def read_work(self) -> WorkStatistics:
        """Return what is in progress. Its tables hold calls and recordings of this moment only."""

    async def box_content_page(self, after: str, limit: int) -> list[BoxContent]:
        """Return what `limit` mailboxes after the id `after` hold, by id. Counters are read, never messages."""

    def file_sizes(self) -> dict[str, int]:
        """Return the size in bytes of the files `database` and `wal`; a missing file has 0."""


class OverviewStore(Protocol):
    """What `ivr watch` and the doctor read."""

    async def snapshot(self, now: int) -> Overview:
        """Return the state of the installation."""

    async def newest_message_at(self) -> int:
        """Return the Unix time at which the newest message was stored; 0 if there is none."""


class MailboxChangeStore(Protocol):
    """Which mailboxes have changed, whatever process changed them."""

    def fingerprint(self) -> bytes:
        """Return a value that changes with every change of anything. Costs microseconds."""

    async def count(self, box_ids: Collection[str]) -> dict[str, int]:
        """Return the number of changes of the messages of each mailbox since it exists."""
