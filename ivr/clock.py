"""The clock: wall time and monotonic time, passed in wherever time matters, so that tests can control it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

EARLIEST_PLAUSIBLE_TIME = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
"""An earlier time is that of a clock that was not set."""
SET_CLOCK = "systemctl enable --now systemd-timesyncd || apt install chrony"
"""The command that has a clock set from the network. timedatectl needs D-Bus, which a minimal Debian does not have."""
_MARGIN = timedelta(days=2)
EARLIEST_TIME = int((datetime(1000, 1, 1, tzinfo=UTC) + _MARGIN).timestamp())
LATEST_TIME = int((datetime.max.replace(tzinfo=UTC) - _MARGIN).timestamp())
"""The times whose year has four digits in each time zone."""


def date_of(timestamp: float, timezone: tzinfo | None = None) -> datetime:
    """Return Unix seconds as a date in a time zone, None: that of this machine; the nearest date where there is none.

    Times from other systems may be of any year, and a date must not end what prints it.
    """
    date = datetime.fromtimestamp(min(max(timestamp, EARLIEST_TIME), LATEST_TIME), UTC)
    return date.astimezone(timezone)


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
