"""Calls go first: requests of the REST API and of the page are background work, and never more than a step of it is
between a call and the processor, a thread, or the database."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Any, TypeVarTuple, Unpack

Ts = TypeVarTuple("Ts")

SLICE_S = 0.001
"""Seconds of background work between two looks at what calls have received."""
BACKGROUND_THREADS = 4

_is_background: ContextVar[bool] = ContextVar("is_background", default=False)


def is_background() -> bool:
    """Return whether the running task is background work."""
    return _is_background.get()


@contextmanager
def background() -> Iterator[None]:
    """Context in which tasks are created as background work, and all tasks that they create."""
    token = _is_background.set(True)
    try:
        yield
    finally:
        _is_background.reset(token)


class CallsFirstLoop(asyncio.SelectorEventLoop):
    """An event loop that runs steps of background work a slice at a time, and in threads of their own.

    asyncio runs everything that is ready before it looks at the sockets again: with fifty requests at a time, a key
    waits for a step of each. Here it waits for one. What a socket of background work has received is read in such a
    step, too.
    """

    def __init__(self, slice_s: float = SLICE_S) -> None:
        super().__init__()
        self._slice_s = slice_s
        self._steps: deque[asyncio.Handle] = deque()
        self._queued_sockets: set[asyncio.Handle] = set()
        """Steps for sockets that are ready. Each look finds the sockets ready again, until the steps have run."""
        self._is_slice_scheduled = False
        self._background_executor = ThreadPoolExecutor(BACKGROUND_THREADS, "background")

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        is_step = is_background() if context is None else context.get(_is_background, False)
        if not is_step:
            return super().call_soon(callback, *args, context=context)
        step = asyncio.Handle(callback, args, self, context)
        self._steps.append(step)
        self._schedule_slice()
        return step

    def _add_callback(self, handle: asyncio.Handle) -> None:
        """Called by asyncio for each socket that is ready, with what was registered for it."""
        if not handle._context.get(_is_background, False):  # type: ignore[attr-defined]
            super()._add_callback(handle)  # type: ignore[misc]
        elif handle not in self._queued_sockets:
            self._queued_sockets.add(handle)
            self._steps.append(handle)
            self._schedule_slice()

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], Any], *args: *Ts
    ) -> asyncio.Future[Any]:
        if executor is None and is_background():
            executor = self._background_executor
        return super().run_in_executor(executor, func, *args)

    def close(self) -> None:
        super().close()
        self._background_executor.shutdown(wait=False)

    def _schedule_slice(self) -> None:
        if not self._is_slice_scheduled:
            self._is_slice_scheduled = True
            super().call_soon(self._run_slice)

    def _run_slice(self) -> None:
        until = self.time() + self._slice_s
        while self._steps:
            step = self._steps.popleft()
            self._queued_sockets.discard(step)
            if not step.cancelled():
                step._run()
            if self.time() >= until:
                break
        self._is_slice_scheduled = False
        if self._steps:
            self._schedule_slice()
