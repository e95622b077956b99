"""Watchdog: returns a call to the dialplan if the service hangs.

Asterisk waits for a service without limit. So the dialplan sets an absolute time limit before it passes the call on,
and says so by the argument `watchdog`. The service renews the limit so that it lies behind the end of each command. If
it does not, Asterisk takes the call back at the limit and continues at the extension T, without the service.

Renewing is a command like any other, and keys can be lost between two commands. So over FastAGI it replaces the NOOP
that ends an idle listen, if there is one, and costs a round trip of its own only if there is none.
"""

from __future__ import annotations

from collections.abc import Callable

MIN_SLACK_S = 10
"""Seconds that a new limit lies behind the end of the command, so that not every command renews it."""
MAX_AHEAD_S = 60
"""Seconds that a limit may lie behind the end of a command: the limit of a long recording that ended early is moved
closer, or the caller would wait for it."""


class Watchdog:
    """The time limit of one call. `now()` returns seconds.

    A transport whose renewals are expensive sets a larger `slack_s` and `max_ahead_s`.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.slack_s: float = MIN_SLACK_S
        self.max_ahead_s: float = MAX_AHEAD_S
        self._now = now
        self._deadline = 0.0

    def renew(self, timeout_s: float, *, piggybacked: bool = False) -> int | None:
        """Return the new limit in seconds for a command that ends within `timeout_s`; None if the present one will do.

        `piggybacked`: a renewal costs no round trip, so the limit is kept closer.
        """
        remaining_s = self._deadline - self._now()
        max_ahead_s = 2 * self.slack_s if piggybacked else self.max_ahead_s
        if timeout_s <= remaining_s <= timeout_s + max_ahead_s:
            return None
        ahead_s = round(timeout_s + self.slack_s)
        self._deadline = self._now() + ahead_s
        return ahead_s
