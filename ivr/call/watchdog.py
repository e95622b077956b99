"""How a call gets away from a service that hangs.

Asterisk waits for a service for ever. So the dialplan gives the call an absolute time limit before it hands it over,
and tells us (`watchdog`); we move the limit on, to lie behind the end of each command. When nobody does, Asterisk takes
the call back at the limit and goes to the extension T, where the dialplan goes on alone.

Moving it is a command like any other, and between two commands keys may be lost. So it goes in place of the NOOP that
ends the listening, where there is one, and has a round trip of its own only where it must.
"""

from __future__ import annotations

from collections.abc import Callable

MIN_SLACK_S = 10
"""The limit lies at least so far behind the end of a command, so that it is not moved at every command."""
MAX_AHEAD_S = 60
"""And no farther than this: a long recording is over, and its limit would let the caller wait."""


class Watchdog:
    """`now()` gives seconds. Where moving the limit is dear, it may lie farther off (`slack_s`, `farthest_s`)."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.slack_s: float = MIN_SLACK_S
        self.max_ahead_s: float = MAX_AHEAD_S
        self._now = now
        self._deadline = 0.0

    def renew(self, timeout_s: float, *, piggybacked: bool = False) -> int | None:
        """The limit to set now, in seconds, before a command that ends within `within_s`; None: it lies well.

        Where setting it `costs_nothing` it is brought closer.
        """
        left_s = self._deadline - self._now()
        farthest_s = 2 * self.slack_s if piggybacked else self.max_ahead_s
        if timeout_s <= left_s <= timeout_s + farthest_s:
            return None
        ahead_s = round(timeout_s + self.slack_s)
        self._deadline = self._now() + ahead_s
        return ahead_s
