"""Commits that wait a little, so that frequent small changes share a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


class DelayedCommit:
    """Calls `commit` `delay_s` seconds after it was requested, once for all requests until then.

    `commit` stores what its owner has collected, and raises nothing.
    """

    def __init__(self, commit: Callable[[], Awaitable[None]], *, delay_s: float) -> None:
        self._commit = commit
        self._delay_s = delay_s
        self._is_requested = False
        self._is_closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def request(self) -> None:
        """Request a commit. Needs a running event loop."""
        self._is_requested = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Commit at once what was requested, before the database is closed."""
        self._is_closing.set()
        if self._task:
            await self._task

    async def _run(self) -> None:
        while self._is_requested:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_closing.wait(), self._delay_s)
            self._is_requested = False
            await self._commit()
