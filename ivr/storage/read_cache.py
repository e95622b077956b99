"""Results of queries, reused until something is committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any


class ReadCache:
    """Results by key, all forgotten after a commit of any process and when there are too many.

    `change_fingerprint`: changes with every commit (`Database.change_fingerprint`), so a result is never older than the
    last commit. Results are shared between callers and must not be changed.
    """

    def __init__(self, change_fingerprint: Callable[[], bytes], *, max_entries: int) -> None:
        self._change_fingerprint = change_fingerprint
        self._max_entries = max_entries
        self._results: dict[Hashable, Any] = {}
        self._fingerprint = b""

    async def get(self, key: Hashable, read: Callable[[], Awaitable[Any]]) -> Any:
        """Return the result for a key; `read` is awaited if there is none."""
        results = self._current_results()
        if key not in results:
            # A commit during the read replaces the dictionary: then the result is stored where it is never looked up.
            results[key] = await read()
        return results[key]

    def recall(self, key: Hashable) -> Any:
        """Return the result for a key if it is kept; None: it would have to be read."""
        return self._current_results().get(key)

    def _current_results(self) -> dict[Hashable, Any]:
        fingerprint = self._change_fingerprint()
        if fingerprint != self._fingerprint or len(self._results) >= self._max_entries:
            self._results, self._fingerprint = {}, fingerprint
        return self._results
