"""Standard input and output of this process as the transport of an AGI connection."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from ivr.call.agi.startup import STDIN, STDOUT
from ivr.call.fastagi.connection import FastAgiConnection
from ivr.errors import CallFailed

MAX_READ_BYTES = 65_536


class StdioTransport(asyncio.Transport):
    """Input from Asterisk goes to `connection`; its commands are sent by pyst2's `agi`."""

    def __init__(self, agi: Any, connection: FastAgiConnection) -> None:
        super().__init__()
        self._agi = agi
        self._connection = connection
        self._closing = False

    def open(self) -> None:
        """Start to read. Raises `CallFailed` if standard input is a file."""
        try:
            asyncio.get_running_loop().add_reader(STDIN, self._on_readable)
        except PermissionError as error:
            raise CallFailed("ivr-agi reads from a file: Asterisk has to start it") from error
        self._connection.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        line = bytes(data).decode()
        try:
            if line.strip():
                self._agi.send_command(line)
            else:  # A space is sent unchanged: it makes Asterisk read its buffer.
                self._agi.stdout.write(line)
                self._agi.stdout.flush()
        except OSError:
            self._on_peer_closed()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Return the call to the dialplan, which continues when both ends are closed. This process continues, too."""
        if self._closing:
            return
        self._closing = True
        asyncio.get_running_loop().remove_reader(STDIN)
        asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)
        null = os.open(os.devnull, os.O_RDWR)
        for end in (STDIN, STDOUT):
            os.dup2(null, end)  # Not just closed: the next file that is opened would get its number.
        os.close(null)

    def abort(self) -> None:
        self.close()

    def _on_readable(self) -> None:
        try:
            data = os.read(STDIN, MAX_READ_BYTES)
        except OSError:
            data = b""
        if data:
            self._connection.data_received(data)
        else:
            self._on_peer_closed()

    def _on_peer_closed(self) -> None:
        """Treat the closed input as a hang-up: Asterisk closes it only between two commands, so no recording is in
        progress and the last one is complete."""
        self._connection.mark_hung_up()
        self.close()
