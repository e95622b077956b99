"""Runs the lanes: finds out, twenty times a second, which have something to do, whichever process asked for it.

Most looks see only that nobody has written anything. After a change it looks twice, for two changes may leave one mark;
and once a second anyway, for what is due by its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from ivr.errors import StoreError
from ivr.notifications.worker import Worker
from ivr.storage.protocols import OutboxStore

POLL_INTERVAL_S = 0.05
POLLS_PER_FORCED_CHECK = 20
CHECKS_AFTER_CHANGE = 2

log = structlog.get_logger()


class OutboxRunner:
    """All lanes of one service."""

    def __init__(self, outbox: OutboxStore, workers: Sequence[Worker]) -> None:
        self._outbox = outbox
        self._workers = workers
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take up what the last run did not finish, and go on until `stop`. Raises `StoreError`."""
        if recovered := await self._outbox.release_orphaned_leases():
            log.info("notify.recovered", rows=recovered)
        self._tasks = [asyncio.create_task(lane.run_forever()) for lane in self._workers]
        self._tasks.append(asyncio.create_task(self._poll()))

    async def stop(self) -> None:
        """Let go; what was being done is done again, or on, at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def run_until_idle(self) -> None:
        """Do everything that is due now and everything that follows from it."""
        while any([await lane.run_once() for lane in self._workers]):
            pass

    async def _poll(self) -> None:
        seen, looks, since = None, 0, 0
        while True:
            mark = self._outbox.change_fingerprint()
            if mark != seen:
                seen, looks = mark, CHECKS_AFTER_CHANGE
            if looks or since >= POLLS_PER_FORCED_CHECK:
                looks, since = max(0, looks - 1), 0
                await self._wake_due_workers()
            since += 1
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _wake_due_workers(self) -> None:
        try:
            due = await self._outbox.due_kinds()
        except StoreError as error:
            log.error("notify.store", error=str(error))
            return
        for lane in self._workers:
            if due & set(lane.kinds):
                lane.wake()
