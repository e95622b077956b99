"""Standard input and output of this process as the wire of an AGI connection."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from ivr.call.agi.startup import STDIN, STDOUT
from ivr.call.fastagi.connection import FastAgiConnection
from ivr.errors import CallFailed

MAX_READ_BYTES = 65_536


class StdioTransport(asyncio.Transport):
    """What Asterisk says goes to `connection`; what that writes is sent by `agi`, pyst2's."""

    def __init__(self, agi: Any, connection: FastAgiConnection) -> None:
        super().__init__()
        self._agi = agi
        self._connection = connection
        self._closing = False

    def open(self) -> None:
        """Begin to read. Raises `CallFailed` where input is no pipe."""
        try:
            asyncio.get_running_loop().add_reader(STDIN, self._on_readable)
        except PermissionError as error:
            raise CallFailed("ivr-agi reads from a file: it is Asterisk that starts it") from error
        self._connection.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        line = bytes(data).decode()
        try:
            if line.strip():
                self._agi.send_command(line)
            else:  # It is sent as it is: a space makes Asterisk look into its buffer.
                self._agi.stdout.write(line)
                self._agi.stdout.flush()
        except OSError:
            self._on_peer_closed()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Give the call back to the dialplan, which goes on when both ends are closed; this process goes on too."""
        if self._closing:
            return
        self._closing = True
        asyncio.get_running_loop().remove_reader(STDIN)
        asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)
        nothing = os.open(os.devnull, os.O_RDWR)
        for end in (STDIN, STDOUT):
            os.dup2(nothing, end)  # Not only closed: what is opened next would get its number.
        os.close(nothing)

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
        """Asterisk has closed its end. It does so between two commands only: nothing is being recorded any more, so
        what was recorded is whole, and the call is over as by a hang-up."""
        self._connection.mark_hung_up()
        self.close()
