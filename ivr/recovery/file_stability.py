"""How long a file has not grown."""

from __future__ import annotations

from collections.abc import Collection

from ivr.clock import Clock


class GrowthMonitor:
    """Remembers the last length of each file, and since when it has had it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sizes: dict[str, tuple[int, float]] = {}

    def unchanged_for_s(self, path: str, size: int) -> float:
        """Seconds for which the file at `path`, which now has `length`, has been seen with that length."""
        now = self._clock.monotonic()
        before, since = self._sizes.get(path, (-1, now))
        self._sizes[path] = (size, since if size == before else now)
        return now - self._sizes[path][1]

    def retain_only(self, paths: Collection[str]) -> None:
        """Forget all others."""
        self._sizes = {path: seen for path, seen in self._sizes.items() if path in paths}
