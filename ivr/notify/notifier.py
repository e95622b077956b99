"""Runs the lanes: finds out, twenty times a second, which have something to do, whichever process asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from ivr.errors import StoreError
from ivr.notify.lane import Lane
from ivr.notify.outbox import Outbox

LOOK_EVERY_S = 0.05

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
        while True:
            try:
                due = await self._outbox.due()
                for lane in self._lanes:
                    if due & set(lane.kinds):
                        lane.wake()
            except StoreError as error:
                log.error("notify.store", error=str(error))
            await asyncio.sleep(LOOK_EVERY_S)
