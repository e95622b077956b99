"""How a call gets away from a service that hangs.

Asterisk waits for an AGI server for ever. So the dialplan gives the call an absolute time limit before AGI() and tells
us (`watchdog`); we move the limit on before each command, for as long as that may take and a little more. When nobody
does, Asterisk ends the AGI at the limit and goes to the extension T, where the dialplan goes on alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

SLACK_S = 10
"""The limit lies at least so far behind the end of a command, so that it is not moved at every command."""


class Watchdog:
    """`limit(seconds)` has the call end that many seconds from now; `now()` gives seconds."""

    def __init__(self, limit: Callable[[int], Awaitable[object]], now: Callable[[], float]) -> None:
        self._limit = limit
        self._now = now
        self._until = 0.0

    async def before(self, within_s: float) -> None:
        """A command follows that ends within `within_s` seconds. One round trip, where the limit has to be moved."""
        left_s = self._until - self._now()
        if within_s <= left_s <= within_s + 2 * SLACK_S:
            return
        ahead_s = round(within_s) + SLACK_S
        self._until = self._now() + ahead_s
        await self._limit(ahead_s)
