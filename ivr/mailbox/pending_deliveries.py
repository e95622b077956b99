"""Messages whose callers are done, but which are not in their box yet: syncing them to the disk takes its moment."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class PendingDeliveries:
    """Those of this process."""

    def __init__(self) -> None:
        self._events_by_box: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def track(self, box_id: str) -> Iterator[None]:
        """While inside, a message is on its way into that box."""
        done = asyncio.Event()
        self._events_by_box[box_id].add(done)
        try:
            yield
        finally:
            done.set()
            self._events_by_box[box_id].discard(done)
            if not self._events_by_box[box_id]:
                del self._events_by_box[box_id]

    async def wait_until_done(self, box_id: str, timeout_s: float = 1.0) -> None:
        """Wait until what was on its way there a moment ago has arrived, or for so long.

        An owner who signs in just behind a caller hears of what they left, and does not have to call again.
        """
        if box_id in self._events_by_box:
            waits = [asyncio.ensure_future(done.wait()) for done in self._events_by_box[box_id]]
            try:
                await asyncio.wait(waits, timeout=timeout_s)
            finally:
                for wait in waits:
                    wait.cancel()
