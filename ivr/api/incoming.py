"""The body of a request as it comes in: counted, and given up when it stops coming."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request

from ivr.errors import Stalled, TooLarge

DRAINED = 2
"""A body up to so many times the limit is read to its end and thrown away, so that the refusal reaches its sender."""


class Incoming:
    """A body of `limit` bytes at most; `idle_s`: seconds without a byte that are borne."""

    def __init__(self, request: Request, limit: int, idle_s: float) -> None:
        self._stream = request.stream().__aiter__()
        self._limit = limit
        self._idle_s = idle_s
        self._so_far = 0
        announced = request.headers.get("content-length", "")
        self._announced = int(announced) if announced.isdecimal() and len(announced) < 19 else 0

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises `TooLarge`, `Stalled`."""
        if self._announced > self._limit:
            await self._refuse()
        while chunk := await self._next():
            yield chunk

    async def whole(self) -> bytes:
        """All of it. Raises `TooLarge`, `Stalled`."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def _next(self) -> bytes:
        while True:
            try:
                chunk = await asyncio.wait_for(anext(self._stream), self._idle_s)
            except StopAsyncIteration:
                return b""
            except TimeoutError:
                raise Stalled(f"nothing came for {self._idle_s:g} s: send it again") from None
            self._so_far += len(chunk)
            if self._so_far > self._limit:
                await self._refuse()
            if chunk:
                return chunk

    async def _refuse(self) -> None:
        limit = self._limit
        if self._announced <= DRAINED * limit:
            self._limit = DRAINED * limit
            try:
                async with asyncio.timeout(self._idle_s):
                    while self._so_far < self._limit:
                        self._so_far += len(await anext(self._stream))
            except (TimeoutError, StopAsyncIteration):
                pass
        raise TooLarge(limit)
