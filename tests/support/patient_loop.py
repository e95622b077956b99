"""An event loop whose time passes only while its process gets to run: on a full machine a test is slower, not late."""

from __future__ import annotations

import asyncio
import selectors
import time

STEP_S = 0.01
"""Most time that passes between two looks at the clock."""


class PatientLoop(asyncio.SelectorEventLoop):
    """Whoever waits 150 ms in it waits through at least 15 turns, in each of which everybody else has their turn too.

    Else a process that was held up for a second finds that all that should have come one after the other is due.
    """

    def __init__(self) -> None:
        super().__init__(_ShortWaits())
        self._last_poll = time.monotonic()
        self._now = self._last_poll

    def time(self) -> float:
        looked = time.monotonic()
        self._now += min(looked - self._last_poll, STEP_S)
        self._last_poll = looked
        return self._now


class _ShortWaits(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout if timeout is None else min(timeout, STEP_S))
