"""Results of queries, reused until something is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from ivr.precedence import is_background


class ReadCache:
    """Results by key, all forgotten after a commit of any process and when there are too many.

    `change_fingerprint`: changes with every commit (`Database.change_fingerprint`), so a result is never older than the
    last commit. Results are shared between callers and must not be changed.
    """

    def __init__(self, change_fingerprint: Callable[[], bytes], *, max_entries: int) -> None:
        self._change_fingerprint = change_fingerprint
        self._max_entries = max_entries
        self._results: dict[Hashable, Any] = {}
        self._reads: dict[Hashable, asyncio.Future[None]] = {}
        """The end of each read that goes on. After a commit, all requests want the same rows at once."""
        self._fingerprint = b""

    async def get(self, key: Hashable, read: Callable[[], Awaitable[Any]]) -> Any:
        """Return the result for a key. If there is none, `read` is awaited, or such a read that goes on."""
        # A commit meanwhile replaces both dictionaries: then the result is stored where it is never looked up.
        results = self._current_results()
        reads, reader = self._reads, (is_background(), key)  # A call does not wait for the read of a request.
        while key not in results and reader in reads:
            await asyncio.wait([reads[reader]])
        if key not in results:
            ended = reads[reader] = asyncio.get_running_loop().create_future()
            try:
                results[key] = await read()
            finally:
                del reads[reader]
                ended.set_result(None)
        return results[key]

    def recall(self, key: Hashable) -> Any:
        """Return the result for a key if it is kept; None: it would have to be read."""
        return self._current_results().get(key)

    def _current_results(self) -> dict[Hashable, Any]:
        fingerprint = self._change_fingerprint()
        if fingerprint != self._fingerprint or len(self._results) >= self._max_entries:
            self._results, self._reads, self._fingerprint = {}, {}, fingerprint
        return self._results
