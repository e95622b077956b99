"""Heartbeats between services that share one data folder and its calls over ARI.

A service writes its heartbeat into the rows of its calls, every two seconds while it has calls. A service without a
heartbeat for six seconds is dead or hangs; the first service that notices takes over its calls. That is sooner than the
dialplan reclaims them (`ivr.call.watchdog`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from ivr.call.ari.stasis_application import StasisApplication
from ivr.clock import Clock
from ivr.errors import IvrError
from ivr.storage.protocols import HeartbeatStore

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HeartbeatTiming:
    """`interval_s`: seconds between heartbeats. `dead_after_s`: seconds without one after which a service is dead."""

    interval_s: float = 2.0
    dead_after_s: int = 6


class InstanceHeartbeat:
    """The heartbeat of the service whose ARI application is `name`."""

    def __init__(
        self,
        name: str,
        *,
        application: StasisApplication,
        call_store: HeartbeatStore,
        clock: Clock,
        timing: HeartbeatTiming = HeartbeatTiming(),
    ) -> None:
        self._name = name
        self._application = application
        self._call_store = call_store
        self._clock = clock
        self._timing = timing
        self._lead_s = self._clock_lead_s()
        self._trusts_at = 0.0
        """The monotonic time from which heartbeats of others are those of the present clock."""

    def _clock_lead_s(self) -> float:
        return self._clock.now() - self._clock.monotonic()

    def _trusts_heartbeats(self) -> bool:
        """Return whether a service without a heartbeat is dead: after the clock was set, all seem to be."""
        lead_s = self._clock_lead_s()
        if abs(lead_s - self._lead_s) > self._timing.interval_s:
            self._trusts_at = self._clock.monotonic() + self._timing.dead_after_s
        self._lead_s = lead_s
        return self._clock.monotonic() >= self._trusts_at

    async def run_forever(self) -> None:
        """Run until cancelled. An error is logged, and the next heartbeat tries again."""
        while True:
            try:
                await self.run_once()
            except IvrError as error:
                log.warning("heartbeat.postponed", reason=str(error))
            except Exception:
                log.exception("heartbeat.failed")
            await asyncio.sleep(self._timing.interval_s)

    async def run_once(self) -> None:
        """Write the heartbeat of this service, and take over the calls of services that are dead."""
        now = int(self._clock.now())
        if self._application.calls_in_progress:
            await self._call_store.record_heartbeat(self._name, now)
        if not self._trusts_heartbeats():
            return
        for call in await self._call_store.orphaned_calls(self._name, now - self._timing.dead_after_s):
            await self._application.take_over_channel(call.instance or "", self._name, call.uniqueid or "")
        await self._call_store.close_stale(now)
