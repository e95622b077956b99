"""How late the loop runs, felt by a beat that should come every 20 ms."""

from __future__ import annotations

import asyncio

BEAT_S = 0.02
LATE_S = 0.005
"""A beat that comes this much too late means that others will, too."""
REMEMBERED_BEATS = 50
"""A late beat counts for a second."""


class Pulse:
    """Beats in the running loop between `start` and `stop`."""

    def __init__(self) -> None:
        self._beats_since_late = REMEMBERED_BEATS
        self._due = 0.0
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._due = asyncio.get_running_loop().time() + BEAT_S
        self._next = asyncio.get_running_loop().call_at(self._due, self._beat)

    def stop(self) -> None:
        if self._next:
            self._next.cancel()

    def is_late(self) -> bool:
        """Whether the loop ran late within the last second, or does now."""
        overdue_s = asyncio.get_running_loop().time() - self._due
        return self._beats_since_late < REMEMBERED_BEATS or overdue_s > LATE_S

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        self._beats_since_late = 0 if loop.time() - self._due > LATE_S else self._beats_since_late + 1
        self._due = loop.time() + BEAT_S
        self._next = loop.call_at(self._due, self._beat)
