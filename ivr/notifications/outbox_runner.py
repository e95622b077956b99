"""Runs the workers of one service and wakes them when rows are due, whichever process wrote them.

Most polls only compare the database's change fingerprint, which needs no query. After a change the due kinds are
queried twice, because two changes in quick succession may leave the same fingerprint. They are also queried once a
second without a change, for rows that become due by time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from ivr.errors import StoreError
from ivr.notifications.worker import Worker
from ivr.storage.protocols import OutboxStore

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """How often the outbox is polled."""

    interval_s: float = 0.05
    polls_per_forced_query: int = 20
    """Number of polls without a change after which the due kinds are queried anyway."""
    queries_after_change: int = 2


DEFAULT_POLL_POLICY = PollPolicy()


class OutboxRunner:
    """All workers of one service."""

    def __init__(
        self, outbox: OutboxStore, workers: Sequence[Worker], *, polling: PollPolicy = DEFAULT_POLL_POLICY
    ) -> None:
        self._outbox = outbox
        self._workers = workers
        self._polling = polling
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Release the leases of dead processes, and start all workers. Raises `StoreError`."""
        if released := await self._outbox.release_orphaned_leases():
            log.info("outbox.leases_released", rows=released)
        self._tasks = [asyncio.create_task(worker.run_forever()) for worker in self._workers]
        self._tasks.append(asyncio.create_task(self._poll()))

    async def stop(self) -> None:
        """Stop all workers. Rows that are not finished are processed after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def run_until_idle(self) -> None:
        """Process all rows that are due, and all rows that follow from them."""
        while any([await worker.run_once() for worker in self._workers]):
            pass

    async def _poll(self) -> None:
        last_fingerprint, pending_queries, polls_without_query = None, 0, 0
        while True:
            fingerprint = self._outbox.change_fingerprint()
            if fingerprint != last_fingerprint:
                last_fingerprint, pending_queries = fingerprint, self._polling.queries_after_change
            if pending_queries or polls_without_query >= self._polling.polls_per_forced_query:
                pending_queries, polls_without_query = max(0, pending_queries - 1), 0
                await self._wake_due_workers()
            polls_without_query += 1
            await asyncio.sleep(self._polling.interval_s)

    async def _wake_due_workers(self) -> None:
        try:
            due = await self._outbox.due_kinds()
        except StoreError as error:
            log.error("outbox.storage_error", error=str(error))
            return
        for worker in self._workers:
            if due & set(worker.kinds):
                worker.wake()
