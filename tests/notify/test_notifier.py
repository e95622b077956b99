"""Who looks for work: nobody asks the store while nothing was written, and what was written is found at once."""

from __future__ import annotations

import asyncio
from typing import Any

from ivr.mailbox.sqlite.outbox import Kind
from ivr.notify.notifier import LOOKS_AFTER_A_CHANGE, LOOKS_ANYWAY, Notifier


class Outbox:
    """One in which something may be due, and which knows how often it was looked at and asked."""

    def __init__(self) -> None:
        self.mark = (1, 1)
        self.is_due: set[Kind] = set()
        self.looks = self.asked = 0
        self.looked = asyncio.Event()

    async def recover(self) -> int:
        return 0

    def footprint(self) -> tuple[int, int]:
        self.looks += 1
        self.looked.set()
        return self.mark

    async def due(self) -> set[Kind]:
        self.asked += 1
        return self.is_due

    async def after(self, looks: int) -> None:
        """So many looks later."""
        until = self.looks + looks
        while self.looks < until:
            self.looked.clear()
            await self.looked.wait()


class Lane:
    kinds = (Kind.LIGHT,)

    def __init__(self) -> None:
        self.woken = asyncio.Event()

    async def run(self) -> None:
        await asyncio.Event().wait()

    def wake(self) -> None:
        self.woken.set()


async def test_the_store_is_asked_after_a_change_and_once_in_a_while_and_not_else() -> None:
    outbox, lane = Outbox(), Lane()
    given: Any = outbox
    lanes: Any = [lane]
    notifier = Notifier(given, lanes)
    await notifier.start()
    try:
        await outbox.after(LOOKS_AFTER_A_CHANGE + 3)
        assert outbox.asked == LOOKS_AFTER_A_CHANGE, "at the start, and then nobody has written"
        outbox.is_due, outbox.mark = {Kind.LIGHT}, (2, 1)
        await asyncio.wait_for(lane.woken.wait(), 10)
        await outbox.after(3)
        assert outbox.asked == 2 * LOOKS_AFTER_A_CHANGE, "two changes may leave one mark"
        await outbox.after(LOOKS_ANYWAY + 2)
        assert outbox.asked == 2 * LOOKS_AFTER_A_CHANGE + 1, "for what is due by its time"
    finally:
        await notifier.stop()
