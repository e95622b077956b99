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
MAX_CLOCK_JUMP_S = 8 * 86_400
"""Seconds without a retention run after which the present time is in doubt. Runs are a week apart at most."""
CLOCK_TRUSTED_AFTER_S = 7 * 86_400
"""Seconds that a process runs with a time in doubt before it trusts it."""
CONFIRM_CLOCK = "ivr purge --confirm-clock"
"""The command that tells the service that the present time is right."""


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


class RetentionClock:
    """The time by which data is hidden and removed for good: what a wrong clock has removed does not come back.

    A time that is days later than the last one trusted is in doubt: the clock was set forward, or the machine was off.
    Until it is trusted, this clock goes on from the last trusted time, at the pace of monotonic time
    (docs/dev/decisions/0065-clock-in-doubt.md).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_at = clock.monotonic()
        self._stored_at: int | None = None
        self._doubted_since: float | None = None
        self.trust(clock.now())

    def now(self) -> float:
        """Return Unix seconds."""
        return self._clock.now() - self.lead_s()

    def monotonic(self) -> float:
        """Return seconds since an arbitrary point; they never decrease."""
        return self._clock.monotonic()

    def lead_s(self) -> float:
        """Return the seconds by which the clock is before the trusted time; 0: it is not in doubt."""
        lead_s = self._difference_s()
        return lead_s if lead_s > MAX_CLOCK_JUMP_S else 0.0

    def trust(self, time: float) -> None:
        """Take `time`, in Unix seconds, as the right time at this moment."""
        self._trusted_lead_s = time - self._clock.monotonic()

    def review(self, stored_at: int) -> bool:
        """Compare the clock with the time that a process trusted last. Return whether the present time is trusted.

        `stored_at`: Unix seconds; 0: none is stored.
        """
        if stored_at and stored_at != self._stored_at:
            known_at = self._began_at if self._stored_at is None else self.monotonic()
            self._trusted_lead_s = stored_at - known_at
            self._doubted_since = None
        self._stored_at = stored_at
        if abs(self._difference_s()) > MAX_CLOCK_JUMP_S:
            if self._doubted_since is None:
                self._doubted_since = self.monotonic()
            if self.monotonic() - self._doubted_since < CLOCK_TRUSTED_AFTER_S:
                return False
        self._doubted_since = None
        self.trust(self._clock.now())
        return True

    def _difference_s(self) -> float:
        return self._clock.now() - self._clock.monotonic() - self._trusted_lead_s
