"""Runs the lanes: finds out, twenty times a second, which have something to do, whichever process asked for it.

Most looks see only that nobody has written anything. After a change it looks twice, for two changes may leave one mark;
and once a second anyway, for what is due by its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from ivr.errors import StoreError
from ivr.notify.lane import Lane
from ivr.notify.outbox import Outbox

LOOK_EVERY_S = 0.05
LOOKS_ANYWAY = 20
LOOKS_AFTER_A_CHANGE = 2

log = structlog.get_logger()


class Notifier:
    """All lanes of one service."""

    def __init__(self, outbox: Outbox, lanes: Sequence[Lane]) -> None:
        self._outbox = outbox
        self._lanes = lanes
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take up what the last run did not finish, and go on until `stop`. Raises `StoreError`."""
        if recovered := await self._outbox.recover():
            log.info("notify.recovered", rows=recovered)
        self._tasks = [asyncio.create_task(lane.run()) for lane in self._lanes]
        self._tasks.append(asyncio.create_task(self._look()))

    async def stop(self) -> None:
        """Let go; what was being done is done again, or on, at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settle(self) -> None:
        """Do everything that is due now and everything that follows from it."""
        while any([await lane.drain() for lane in self._lanes]):
            pass

    async def _look(self) -> None:
        seen, looks, since = None, 0, 0
        while True:
            mark = self._outbox.footprint()
            if mark != seen:
                seen, looks = mark, LOOKS_AFTER_A_CHANGE
            if looks or since >= LOOKS_ANYWAY:
                looks, since = max(0, looks - 1), 0
                await self._wake_who_has_something_to_do()
            since += 1
            await asyncio.sleep(LOOK_EVERY_S)

    async def _wake_who_has_something_to_do(self) -> None:
        try:
            due = await self._outbox.due()
        except StoreError as error:
            log.error("notify.store", error=str(error))
            return
        for lane in self._lanes:
            if due & set(lane.kinds):
                lane.wake()
