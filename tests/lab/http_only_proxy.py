"""`python -m tests.lab.http_only_proxy PORT OF`: at PORT, the HTTP server that Asterisk has at port OF, but as
Asterisk was before 22.4: over a WebSocket it sends events, and says nothing to requests.

What it was asked over HTTP stands in the log, a line each.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

TEXT, BINARY = 1, 2


class HttpOnlyProxy:
    """Passes on what comes, all but requests over a WebSocket."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._port)
            if b"upgrade: websocket" in head.lower():
                other_writer.write(head)
                there = _copy_control_frames(reader, other_writer)
            else:
                there = _copy_requests(head, reader, other_writer)
            ways = [asyncio.create_task(way) for way in (there, _copy_all(other_reader, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            other_writer.close()
        writer.close()


async def _copy_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


async def _copy_requests(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One after the other; those of our service have no content."""
    while True:
        print(head.partition(b"\r\n")[0].decode(), file=sys.stderr, flush=True)
        writer.write(head)
        head = await reader.readuntil(b"\r\n\r\n")


async def _copy_control_frames(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All but the frames that have a content: pings, and the end."""
    while True:
        head = await reader.readexactly(2)
        length = head[1] & 0x7F
        if length > 125:
            extended = await reader.readexactly(2 if length == 126 else 8)
            head, length = head + extended, int.from_bytes(extended)
        frame = head + await reader.readexactly(length + (4 if head[1] & 0x80 else 0))
        if head[0] & 0x0F not in (TEXT, BINARY):
            writer.write(frame)


async def main(port: int, upstream_port: int) -> None:
    server = await asyncio.start_server(HttpOnlyProxy(upstream_port).handle_connection, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
