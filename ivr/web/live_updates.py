"""Tells open pages that messages of a mailbox have changed, whatever changed them: a phone, REST, another process."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

import structlog

from ivr.errors import StoreError
from ivr.storage.protocols import MailboxChangeStore

MAX_STREAMS = 1000
UNKNOWN = -1
"""Number of changes of a page that is fetched again when its stream begins."""
WATCHERS_AT_ONCE = 20
PAUSE_S = 0.002

log = structlog.get_logger()


class Watcher:
    """An open page that shows mailboxes."""

    def __init__(self, box_ids: Collection[str]) -> None:
        self.box_ids = tuple(box_ids)
        self.is_closed = False
        self._changes: int | None = None
        self._wake = asyncio.Event()

    def offer(self, changes: int) -> None:
        """Wake the page if this number of changes is a new one."""
        if changes != self._changes:
            self._changes = changes
            self._wake.set()

    def close(self) -> None:
        """Wake the page for the last time: the service stops."""
        self.is_closed = True
        self._wake.set()

    async def next_change(self, timeout_s: float) -> int | None:
        """Return the number of changes as soon as it is a new one; None after `timeout_s` seconds without one."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout_s)
            self._wake.clear()
            return self._changes
        return None


class LiveUpdates:
    """Looks for changes while pages are open, every `interval_s` seconds: one query for all pages.

    Where nothing at all was written since the last look, there is no query either. At most `max_streams` pages are
    told, and at most `max_streams_per_owner` of one owner.
    """

    def __init__(
        self,
        store: MailboxChangeStore,
        *,
        interval_s: float = 0.25,
        max_streams: int = MAX_STREAMS,
        max_streams_per_owner: int = 20,
    ) -> None:
        self._store = store
        self._interval_s = interval_s
        self._max_streams = max_streams
        self._max_streams_per_owner = max_streams_per_owner
        self._watchers: dict[Watcher, str] = {}
        self._owners: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        self._has_new_watcher = False

    @property
    def streams(self) -> int:
        """Number of pages that are told."""
        return len(self._watchers)

    async def count_changes(self, box_ids: Collection[str]) -> int:
        """Return the number of changes of mailboxes so far. Raises `StoreError`."""
        return sum((await self._store.count(box_ids)).values())

    def has_place(self, owner: str) -> bool:
        """Return whether one more page of an owner can be told."""
        return len(self._watchers) < self._max_streams and self._owners[owner] < self._max_streams_per_owner

    @contextmanager
    def watch(self, box_ids: Collection[str], owner: str) -> Iterator[Watcher]:
        """Context in which a page is notified of changes; the first one is the number of changes so far."""
        watcher = Watcher(box_ids)
        self._watchers[watcher] = owner
        self._owners[owner] += 1
        self._has_new_watcher = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_forever())
        try:
            yield watcher
        finally:
            del self._watchers[watcher]
            self._owners -= Counter([owner])

    def close(self) -> None:
        """End all streams."""
        for watcher in list(self._watchers):
            watcher.close()
        if self._task:
            self._task.cancel()
            self._task = None

    async def _look_forever(self) -> None:
        fingerprint = b""
        while self._watchers:
            current = self._store.fingerprint()
            if current != fingerprint or self._has_new_watcher:
                self._has_new_watcher = False
                try:
                    await self._tell_watchers()
                    fingerprint = current
                except StoreError as error:
                    log.warning("page.live_updates_failed", error=str(error))
            await asyncio.sleep(self._interval_s)
        self._task = None

    async def _tell_watchers(self) -> None:
        counts = await self._store.count({box_id for watcher in self._watchers for box_id in watcher.box_ids})
        for place, watcher in enumerate(list(self._watchers), 1):
            if place % WATCHERS_AT_ONCE == 0:
                await asyncio.sleep(PAUSE_S)  # Calls go first.
            # A page that has come since is notified by the next look.
            if all(box_id in counts for box_id in watcher.box_ids):
                watcher.offer(sum(counts[box_id] for box_id in watcher.box_ids))
