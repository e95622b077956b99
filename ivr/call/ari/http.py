"""A request over HTTP, for an Asterisk that takes none over the WebSocket (before 22.4): a connection each.

Asterisk answers small JSON documents with their length; nothing else is understood here.
"""

from __future__ import annotations

import asyncio
import base64

from ivr.call.ari import protocol
from ivr.call.ari.protocol import Answer
from ivr.errors import LineLost

WITHIN_S = 10.0
LONGEST = 4_000_000
"""Bytes of an answer: the list of a thousand channels has one."""


class Http:
    """Asks Asterisk's HTTP server."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self._host = host
        self._port = port
        self._credentials = base64.b64encode(f"{user}:{password}".encode()).decode()

    async def __call__(self, method: str, uri: str) -> Answer:
        """Raises `LineLost` where no answer came."""
        try:
            async with asyncio.timeout(WITHIN_S):
                reader, writer = await asyncio.open_connection(self._host, self._port, limit=LONGEST)
                try:
                    writer.write(self._request(method, uri))
                    return await _answer(reader)
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise LineLost(f"no answer from Asterisk to {method} {uri.partition('?')[0]}: {error}") from error

    def _request(self, method: str, uri: str) -> bytes:
        lines = [
            f"{method} /ari/{uri} HTTP/1.1", f"Host: {self._host}:{self._port}",
            f"Authorization: Basic {self._credentials}", "Connection: close", "Content-Length: 0", "", "",
        ]  # fmt: skip
        return "\r\n".join(lines).encode()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/"):
        raise ValueError("no answer of an HTTP server")
    status = int(rest.partition(" ")[0])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length") or 0)
    if not 0 <= length <= LONGEST:
        raise ValueError(f"an answer of {length} bytes")
    return Answer(status, protocol.body((await reader.readexactly(length)).decode("utf-8", "replace")))
