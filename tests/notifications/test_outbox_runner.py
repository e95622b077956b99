"""Polling of the outbox: it is queried only after a change or by time, and a change is found at once."""

from __future__ import annotations

import asyncio
from typing import Any

from ivr.notifications.worker import OutboxRunner, PollPolicy
from ivr.storage.records import TaskKind


class FakeOutbox:
    """An outbox that counts how often it is polled and queried."""

    def __init__(self) -> None:
        self.fingerprint = b"1"
        self.has_due: set[TaskKind] = set()
        self.polls = self.queries = 0
        self.polled = asyncio.Event()

    async def release_orphaned_leases(self) -> int:
        return 0

    def change_fingerprint(self) -> bytes:
        self.polls += 1
        self.polled.set()
        return self.fingerprint

    async def due_kinds(self) -> set[TaskKind]:
        self.queries += 1
        return self.has_due

    async def wait_for_polls(self, count: int) -> None:
        """Wait for further polls."""
        target = self.polls + count
        while self.polls < target:
            self.polled.clear()
            await self.polled.wait()


class FakeWorker:
    kinds = (TaskKind.MWI,)

    def __init__(self) -> None:
        self.wakeups = asyncio.Event()

    async def run_forever(self) -> None:
        await asyncio.Event().wait()

    def wake(self) -> None:
        self.wakeups.set()


async def test_outbox_is_queried_only_after_change_or_interval() -> None:
    outbox, worker = FakeOutbox(), FakeWorker()
    store: Any = outbox
    workers: Any = [worker]
    polling = PollPolicy(interval_s=0.01, polls_per_forced_query=20)
    runner = OutboxRunner(store, workers, polling=polling)
    await runner.start()
    try:
        await outbox.wait_for_polls(5)
        assert outbox.queries == 1, "queried at the start only, because nothing changed"
        outbox.has_due, outbox.fingerprint = {TaskKind.MWI}, b"2"
        await asyncio.wait_for(worker.wakeups.wait(), 60)
        await outbox.wait_for_polls(3)
        assert outbox.queries == 2, "queried once for a change"
        await outbox.wait_for_polls(22)
        assert outbox.queries == 3, "queried once more, for rows that become due by time"
    finally:
        await runner.stop()
