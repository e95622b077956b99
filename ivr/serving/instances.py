"""Services that share the calls over ARI, and one data folder: each says that it lives, and looks who does not.

A service beats every two seconds while it has calls, into the rows of its calls. One that has not beaten for six is
dead, or stands still: its calls are moved to whoever looks first. That is sooner than the dialplan takes them back
(`watchdog`).
"""

from __future__ import annotations

import asyncio

import structlog

from ivr.call.ari.service import AriService
from ivr.clock import Clock
from ivr.errors import IvrError
from ivr.mailbox.sqlite.calls import SqliteCalls

EVERY_S = 2.0
DEAD_AFTER_S = 6

log = structlog.get_logger()


class Instances:
    """`name` is this one, an application of ARI."""

    def __init__(self, name: str, service: AriService, calls: SqliteCalls, clock: Clock) -> None:
        self._name = name
        self._service = service
        self._calls = calls
        self._clock = clock

    async def run(self) -> None:
        """For as long as the service lives."""
        while True:
            try:
                await self.turn()
            except IvrError as error:
                log.warning("instances.postponed", reason=str(error))
            except Exception:
                log.exception("instances.broke")
            await asyncio.sleep(EVERY_S)

    async def turn(self) -> None:
        """Say that we live, and look who does not."""
        now = int(self._clock.now())
        if self._service.calls_in_progress:
            await self._calls.alive(self._name, now)
        for left in await self._calls.left_by_others(self._name, now - DEAD_AFTER_S):
            await self._service.take_from(left.instance or "", self._name, left.uniqueid or "")
        await self._calls.close_stale(now)
