"""The clock: wall time and monotonic time, passed in wherever time matters, so that tests can control it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

EARLIEST_PLAUSIBLE_TIME = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
"""An earlier time is that of a clock that was not set."""


class Clock(Protocol):
    """A source of time."""

    def now(self) -> float:
        """Return Unix seconds."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary point; they never decrease."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
