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
from ivr.call.ari.protocol import Answer
from ivr.errors import LineLost

WITHIN_S = 10.0
LONGEST = 4_000_000
"""Bytes of an answer: the list of a thousand channels has one."""
KEPT = 8
"""Connections, between requests."""
IDLE_S = 5.0
"""Asterisk closes what has not been asked for 15 s (`session_keep_alive` in http.conf)."""


@dataclass(slots=True)
class _Line:
    """One connection, and until when it may be asked again, in the loop's time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    until: float = 0.0

    @property
    def is_usable(self) -> bool:
        is_open = not (self.reader.at_eof() or self.writer.is_closing())
        return is_open and asyncio.get_running_loop().time() < self.until


class Http:
    """Asks Asterisk's HTTP server."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self._host = host
        self._port = port
        self._credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._kept: list[_Line] = []
        self._keeps = KEPT

    async def __call__(self, method: str, uri: str) -> Answer:
        """Raises `LineLost` where no answer came."""
        try:
            async with asyncio.timeout(WITHIN_S):
                line = self._take() or await self._opened()
                try:
                    line.writer.write(self._request(method, uri))
                    answer, goes_on = await _answer(line.reader)
                except BaseException:
                    line.writer.close()
                    raise
                self._keep(line, goes_on)
                return answer
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise LineLost(f"no answer from Asterisk to {method} {uri.partition('?')[0]}: {error}") from error

    def close(self) -> None:
        """Keep none any longer."""
        self._keeps = 0
        while self._kept:
            self._kept.pop().writer.close()

    async def _opened(self) -> _Line:
        return _Line(*await asyncio.open_connection(self._host, self._port, limit=LONGEST))

    def _take(self) -> _Line | None:
        """The one that was asked last, of those that can be asked."""
        while self._kept:
            line = self._kept.pop()
            if line.is_usable:
                return line
            line.writer.close()
        return None

    def _keep(self, line: _Line, goes_on: bool) -> None:
        if goes_on and len(self._kept) < self._keeps:
            line.until = asyncio.get_running_loop().time() + IDLE_S
            self._kept.append(line)
        else:
            line.writer.close()

    def _request(self, method: str, uri: str) -> bytes:
        lines = [
            f"{method} /ari/{uri} HTTP/1.1", f"Host: {self._host}:{self._port}",
            f"Authorization: Basic {self._credentials}", "Content-Length: 0", "", "",
        ]  # fmt: skip
        return "\r\n".join(lines).encode()


async def _answer(reader: asyncio.StreamReader) -> tuple[Answer, bool]:
    """What came, and whether the connection may be asked again."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/"):
        raise ValueError("no answer of an HTTP server")
    status = int(rest.partition(" ")[0])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    told = headers.get("content-length")
    length = int(told or 0)
    if not 0 <= length <= LONGEST:
        raise ValueError(f"an answer of {length} bytes")
    body = protocol.body((await reader.readexactly(length)).decode("utf-8", "replace"))
    goes_on = (told is not None or status == 204) and headers.get("connection", "").lower() != "close"
    return Answer(status, body), goes_on
