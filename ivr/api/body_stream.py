"""The body of a request as it comes in: counted, and given up when it stops coming."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request

from ivr.errors import BodyTimeout, PayloadTooLarge

DRAIN_FACTOR = 2
"""A body up to so many times the limit is read to its end and thrown away, so that the refusal reaches its sender."""


class BodyStream:
    """A body of `limit` bytes at most; `idle_s`: seconds without a byte that are borne."""

    def __init__(self, request: Request, limit: int, idle_timeout_s: float) -> None:
        self._stream = request.stream().__aiter__()
        self._limit = limit
        self._idle_timeout_s = idle_timeout_s
        self._received_bytes = 0
        announced = request.headers.get("content-length", "")
        self._content_length = int(announced) if announced.isdecimal() and len(announced) < 19 else 0

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises `PayloadTooLarge`, `BodyTimeout`."""
        if self._content_length > self._limit:
            await self._raise_too_large()
        while chunk := await self._next_chunk():
            yield chunk

    async def read(self) -> bytes:
        """All of it. Raises `PayloadTooLarge`, `BodyTimeout`."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def _next_chunk(self) -> bytes:
        while True:
            try:
                chunk = await asyncio.wait_for(anext(self._stream), self._idle_timeout_s)
            except StopAsyncIteration:
                return b""
            except TimeoutError:
                raise BodyTimeout(f"nothing came for {self._idle_timeout_s:g} s: send it again") from None
            self._received_bytes += len(chunk)
            if self._received_bytes > self._limit:
                await self._raise_too_large()
            if chunk:
                return chunk

    async def _raise_too_large(self) -> None:
        limit = self._limit
        if self._content_length <= DRAIN_FACTOR * limit:
            self._limit = DRAIN_FACTOR * limit
            try:
                async with asyncio.timeout(self._idle_timeout_s):
                    while self._received_bytes < self._limit:
                        self._received_bytes += len(await anext(self._stream))
            except (TimeoutError, StopAsyncIteration):
                pass
        raise PayloadTooLarge(limit)
