"""How long a file has not grown."""

from __future__ import annotations

from collections.abc import Collection

from ivr.clock import Clock


class Quiet:
    """Remembers the last length of each file, and since when it has had it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    def for_s(self, path: str, length: int) -> float:
        """Seconds for which the file at `path`, which now has `length`, has been seen with that length."""
        now = self._clock.monotonic()
        before, since = self._seen.get(path, (-1, now))
        self._seen[path] = (length, since if length == before else now)
        return now - self._seen[path][1]

    def keep_only(self, paths: Collection[str]) -> None:
        """Forget all others."""
        self._seen = {path: seen for path, seen in self._seen.items() if path in paths}
