"""Who looks for work: nobody asks the store while nothing was written, and what was written is found at once."""

from __future__ import annotations

import asyncio
from typing import Any

from ivr.notifications.outbox_runner import CHECKS_AFTER_CHANGE, POLLS_PER_FORCED_CHECK, OutboxRunner
from ivr.storage.records import TaskKind


class FakeOutbox:
    """One in which something may be due, and which knows how often it was looked at and asked."""

    def __init__(self) -> None:
        self.fingerprint = (1, 1)
        self.has_due: set[TaskKind] = set()
        self.polls = self.queries = 0
        self.polled = asyncio.Event()

    async def release_orphaned_leases(self) -> int:
        return 0

    def change_fingerprint(self) -> tuple[int, int]:
        self.polls += 1
        self.polled.set()
        return self.fingerprint

    async def due_kinds(self) -> set[TaskKind]:
        self.queries += 1
        return self.has_due

    async def wait_for_polls(self, looks: int) -> None:
        """So many looks later."""
        until = self.polls + looks
        while self.polls < until:
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
    outbox, lane = FakeOutbox(), FakeWorker()
    given: Any = outbox
    lanes: Any = [lane]
    notifier = OutboxRunner(given, lanes)
    await notifier.start()
    try:
        await outbox.wait_for_polls(CHECKS_AFTER_CHANGE + 3)
        assert outbox.queries == CHECKS_AFTER_CHANGE, "at the start, and then nobody has written"
        outbox.has_due, outbox.fingerprint = {TaskKind.MWI}, (2, 1)
        await asyncio.wait_for(lane.wakeups.wait(), 10)
        await outbox.wait_for_polls(3)
        assert outbox.queries == 2 * CHECKS_AFTER_CHANGE, "two changes may leave one mark"
        await outbox.wait_for_polls(POLLS_PER_FORCED_CHECK + 2)
        assert outbox.queries == 2 * CHECKS_AFTER_CHANGE + 1, "for what is due by its time"
    finally:
        await notifier.stop()
