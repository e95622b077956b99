"""Minimal HTTP server for Prometheus. It serves GET /metrics and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from prometheus_client import CONTENT_TYPE_LATEST

REQUEST_TIMEOUT_S = 5.0
MAX_HEAD_BYTES = 8192


class PrometheusServer:
    """The server.

    `render`: returns the response body, called for each request. `request_timeout_s`: seconds for one request.
    """

    def __init__(self, render: Callable[[], Awaitable[bytes]], *, request_timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._render = render
        self._request_timeout_s = request_timeout_s
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Start listening and return the port. Raises `OSError` when the address is in use."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_HEAD_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Close the listening socket."""
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(self._request_timeout_s):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._respond(head.split(b"\r\n", 1)[0]))
                await writer.drain()
        writer.close()

    async def _respond(self, request_line: bytes) -> bytes:
        method, _, rest = request_line.partition(b" ")
        if rest.split(b" ")[0].split(b"?")[0] != b"/metrics":
            return _response("404 Not Found", b"not found: only /metrics is served\n")
        if method != b"GET":
            return _response("405 Method Not Allowed", b"method not allowed: use GET\n")
        return _response("200 OK", await self._render(), CONTENT_TYPE_LATEST)


def _response(status: str, body: bytes, content_type: str = "text/plain; charset=utf-8") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
