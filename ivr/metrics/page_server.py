"""A server of a few pages without parameters: GET only, no authentication, one request for each connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

REQUEST_TIMEOUT_S = 5.0
MAX_HEAD_BYTES = 8192
MAX_CONNECTIONS = 100
"""Simultaneous connections; for a further one the oldest is closed that has not sent its request yet."""
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class PageResponse:
    """A page as it is sent."""

    body: bytes
    content_type: str = TEXT
    status: HTTPStatus = HTTPStatus.OK


class PageServer:
    """Serves `pages`: each path, and what returns its content. `request_timeout_s`: seconds for one request."""

    def __init__(
        self,
        pages: Mapping[str, Callable[[], Awaitable[PageResponse]]],
        *,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        self._pages = pages
        self._request_timeout_s = request_timeout_s
        self._server: asyncio.Server | None = None
        self._connections = 0
        self._silent: dict[asyncio.StreamWriter, None] = {}
        """Those of which no request was read yet, oldest first."""
        self._is_rendering = asyncio.Lock()
        """One page at a time: as many as are asked for would hold up calls."""

    async def start(self, host: str, port: int) -> int:
        """Start listening and return the port. Raises `OSError` when the address is in use."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_HEAD_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Close the listening socket."""
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= MAX_CONNECTIONS and not self._close_oldest():
            writer.close()
            return
        self._connections += 1
        self._silent[writer] = None
        try:
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(self._request_timeout_s):
                    head = await reader.readuntil(b"\r\n\r\n")
                    self._silent.pop(writer, None)
                    async with self._is_rendering:
                        response = await self._respond(head.split(b"\r\n", 1)[0])
                    writer.write(_encode(response))
                    await writer.drain()
        finally:
            self._silent.pop(writer, None)
            self._connections -= 1
            writer.close()

    def _close_oldest(self) -> bool:
        """Close the oldest connection that has sent no request, for one that may send its own at once."""
        oldest = next(iter(self._silent), None)
        if oldest is None:
            return False
        del self._silent[oldest]
        oldest.transport.abort()
        return True

    async def _respond(self, request_line: bytes) -> PageResponse:
        method, _, rest = request_line.partition(b" ")
        page = self._pages.get(rest.split(b" ")[0].split(b"?")[0].decode("latin-1"))
        if page is None:
            text = f"not found: only {' and '.join(self._pages)} are served\n"
            return PageResponse(text.encode(), status=HTTPStatus.NOT_FOUND)
        if method != b"GET":
            return PageResponse(b"method not allowed: use GET\n", status=HTTPStatus.METHOD_NOT_ALLOWED)
        return await page()


def _encode(response: PageResponse) -> bytes:
    head = (
        f"HTTP/1.1 {response.status.value} {response.status.phrase}\r\nContent-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + response.body
