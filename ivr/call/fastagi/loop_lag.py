"""Event-loop lag monitor, sampled every 20 ms."""

from __future__ import annotations

import asyncio

TICK_S = 0.02
LAG_THRESHOLD_S = 0.005
"""Seconds of delay from which a tick counts as late: other callbacks will be late, too."""
LAG_MEMORY_TICKS = 50
"""Ticks for which a late tick counts: one second."""


class LoopLagMonitor:
    """Ticks in the running loop between `start` and `stop`."""

    def __init__(self) -> None:
        self._ticks_since_lag = LAG_MEMORY_TICKS
        self._next_tick_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._next_tick_at = asyncio.get_running_loop().time() + TICK_S
        self._timer = asyncio.get_running_loop().call_at(self._next_tick_at, self._tick)

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()

    def is_lagging(self) -> bool:
        """Return whether the loop was late within the last second, or is now."""
        overdue_s = asyncio.get_running_loop().time() - self._next_tick_at
        return self._ticks_since_lag < LAG_MEMORY_TICKS or overdue_s > LAG_THRESHOLD_S

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._ticks_since_lag = 0 if loop.time() - self._next_tick_at > LAG_THRESHOLD_S else self._ticks_since_lag + 1
        self._next_tick_at = loop.time() + TICK_S
        self._timer = loop.call_at(self._next_tick_at, self._tick)
