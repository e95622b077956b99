"""Requests over HTTP, for an Asterisk that takes none over the WebSocket (before 22.4).

A few connections are kept, and each carries one request after the other: where each request had its own, it took ten
times as long, and keys that came meanwhile were told twice (`player`). Asterisk answers small JSON documents with their
length; nothing else is understood here.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass

from ivr.call.ari import protocol
from ivr.call.ari.protocol import Response
from ivr.errors import ConnectionLost

REQUEST_TIMEOUT_S = 10.0
MAX_BODY_BYTES = 4_000_000
"""Bytes of an answer: the list of a thousand channels has one."""
POOL_SIZE = 8
"""Connections, between requests."""
IDLE_TIMEOUT_S = 5.0
"""Asterisk closes what has not been asked for 15 s (`session_keep_alive` in http.conf)."""


@dataclass(slots=True)
class _PooledConnection:
    """One connection, and until when it may be asked again, in the loop's time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_deadline: float = 0.0

    @property
    def is_usable(self) -> bool:
        is_open = not (self.reader.at_eof() or self.writer.is_closing())
        return is_open and asyncio.get_running_loop().time() < self.idle_deadline


class AriRestClient:
    """Asks Asterisk's HTTP server."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self._host = host
        self._port = port
        self._credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._pool: list[_PooledConnection] = []
        self._pool_size = POOL_SIZE

    async def __call__(self, method: str, uri: str) -> Response:
        """Raises `ConnectionLost` where no answer came."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                line = self._acquire() or await self._connect()
                try:
                    line.writer.write(self._format_request(method, uri))
                    answer, goes_on = await _read_response(line.reader)
                except BaseException:
                    line.writer.close()
                    raise
                self._release(line, goes_on)
                return answer
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise ConnectionLost(f"no answer from Asterisk to {method} {uri.partition('?')[0]}: {error}") from error

    def close(self) -> None:
        """Keep none any longer."""
        self._pool_size = 0
        while self._pool:
            self._pool.pop().writer.close()

    async def _connect(self) -> _PooledConnection:
        return _PooledConnection(*await asyncio.open_connection(self._host, self._port, limit=MAX_BODY_BYTES))

    def _acquire(self) -> _PooledConnection | None:
        """The one that was asked last, of those that can be asked."""
        while self._pool:
            line = self._pool.pop()
            if line.is_usable:
                return line
            line.writer.close()
        return None

    def _release(self, connection: _PooledConnection, keep_alive: bool) -> None:
        if keep_alive and len(self._pool) < self._pool_size:
            connection.idle_deadline = asyncio.get_running_loop().time() + IDLE_TIMEOUT_S
            self._pool.append(connection)
        else:
            connection.writer.close()

    def _format_request(self, method: str, uri: str) -> bytes:
        lines = [
            f"{method} /ari/{uri} HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            f"Authorization: Basic {self._credentials}",
            "Content-Length: 0",
            "",
            "",
        ]
        return "\r\n".join(lines).encode()


async def _read_response(reader: asyncio.StreamReader) -> tuple[Response, bool]:
    """What came, and whether the connection may be asked again."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/"):
        raise ValueError("no answer of an HTTP server")
    status = int(rest.partition(" ")[0])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    told = headers.get("content-length")
    length = int(told or 0)
    if not 0 <= length <= MAX_BODY_BYTES:
        raise ValueError(f"an answer of {length} bytes")
    body = protocol.parse_body((await reader.readexactly(length)).decode("utf-8", "replace"))
    goes_on = (told is not None or status == 204) and headers.get("connection", "").lower() != "close"
    return Response(status, body), goes_on
