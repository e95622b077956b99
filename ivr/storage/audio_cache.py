"""The recordings of an object store that a node has as files: those that were used last, up to a size.

All processes of a node share the folder. The time of a file says when it was used last; one that was used a moment ago
may be playing, and stays. What was deleted by another node stays for a day at most. Messages go before greetings,
which callers wait for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ivr.clock import Clock
from ivr.storage.records.retention import MediaDirectory

CACHE_FOLDER = "audio-cache"
"""In the folder of the node."""


@dataclass(frozen=True, slots=True)
class AudioCacheLimits:
    """When recordings leave the cache."""

    max_bytes: int
    pinned_s: float = 600
    """A recording that was used in this time may be playing."""
    max_unused_s: float = 86_400
    check_interval_s: float = 30


class AudioCache:
    """The cache of one node."""

    def __init__(self, folder: Path, clock: Clock, limits: AudioCacheLimits) -> None:
        self.folder = folder
        self._clock = clock
        self._limits = limits
        self._next_check_s = 0.0

    def touch(self, path: Path) -> bool:
        """Record that a recording is used now. Return whether it is in the cache."""
        now = self._clock.now()
        try:
            os.utime(path, (now, now))
        except OSError:
            return path.exists()  # Of another user: root has made it.
        return True

    @property
    def max_bytes(self) -> int:
        return self._limits.max_bytes

    def keep(self, path: Path) -> bool:
        """Record that a recording is needed, but not playing. Return whether it is in the cache."""
        needed_at = self._clock.now() - self._limits.pinned_s
        try:
            if path.stat().st_mtime < needed_at:
                os.utime(path, (needed_at, needed_at))
        except OSError:
            return path.exists()  # Of another user: root has made it.
        return True

    def evict_when_due(self) -> None:
        """Remove what is unused for long, and what was used longest ago until the rest is within the limit."""
        if self._clock.monotonic() >= self._next_check_s:
            self._next_check_s = self._clock.monotonic() + self._limits.check_interval_s
            self._evict(self._limits.max_bytes)

    def evict_unused(self) -> int:
        """Remove all that cannot be playing, because the disk is full. Return how many bytes are free by it."""
        return self._evict(0)

    def _evict(self, max_bytes: int) -> int:
        files = sorted(self._files())
        total = removed = 0
        for _, _, size, _ in files:
            total += size
        now = self._clock.now()
        for _, used_at, size, path in files:
            is_old = used_at < now - self._limits.max_unused_s
            if not is_old and (total <= max_bytes or used_at > now - self._limits.pinned_s):
                continue
            with suppress(OSError):
                path.unlink()
                removed += size
            total -= size
        return removed

    def _files(self) -> Iterator[tuple[bool, float, int, Path]]:
        """Yield for each file, drafts included, whether it is a greeting, when it was used last, and its size."""
        for path in self.folder.glob("*/*/*"):
            with suppress(OSError):
                status = path.stat()
                yield path.parent.name == MediaDirectory.MEDIA, status.st_mtime, status.st_size, path
