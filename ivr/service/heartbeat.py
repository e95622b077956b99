"""Services that share the calls over ARI, and one data folder: each says that it lives, and looks who does not.

A service beats every two seconds while it has calls, into the rows of its calls. One that has not beaten for six is
dead, or stands still: its calls are moved to whoever looks first. That is sooner than the dialplan takes them back
(`watchdog`).
"""

from __future__ import annotations

import asyncio

import structlog

from ivr.call.ari.stasis_application import StasisApplication
from ivr.clock import Clock
from ivr.errors import IvrError
from ivr.storage.sqlite.calls import SqliteCalls

INTERVAL_S = 2.0
DEAD_AFTER_S = 6

log = structlog.get_logger()


class InstanceHeartbeat:
    """`name` is this one, an application of ARI."""

    def __init__(self, name: str, application: StasisApplication, calls: SqliteCalls, clock: Clock) -> None:
        self._name = name
        self._application = application
        self._calls = calls
        self._clock = clock

    async def run_forever(self) -> None:
        """For as long as the service lives."""
        while True:
            try:
                await self.run_once()
            except IvrError as error:
                log.warning("instances.postponed", reason=str(error))
            except Exception:
                log.exception("instances.broke")
            await asyncio.sleep(INTERVAL_S)

    async def run_once(self) -> None:
        """Say that we live, and look who does not."""
        now = int(self._clock.now())
        if self._application.calls_in_progress:
            await self._calls.record_heartbeat(self._name, now)
        for left in await self._calls.orphaned_calls(self._name, now - DEAD_AFTER_S):
            await self._application.take_over_channel(left.instance or "", self._name, left.uniqueid or "")
        await self._calls.close_stale(now)
