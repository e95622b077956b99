"""An event loop whose time passes only while its process gets to run: on a full machine a test is slower, not late."""

from __future__ import annotations

import asyncio
import selectors
import time

STEP_S = 0.01
"""Most time that passes between two looks at the clock."""


class PatientLoop(asyncio.SelectorEventLoop):
    """A wait of 150 ms takes at least 15 iterations, in each of which all other tasks run too.

    In the usual loop, after a second without the processor, all timers that should expire one by one are due at once.
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
