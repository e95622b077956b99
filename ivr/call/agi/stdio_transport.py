"""Standard input and output of an AGI program: its header, and a transport for asyncio."""

from __future__ import annotations

import asyncio
import io
import os
from typing import Any

from asterisk.agi import AGI, AGISIGHUPHangup

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


MAX_HEADER_CHARS = 16_384
STDIN, STDOUT = 0, 1
REMEDY = "it is started by Asterisk, by the line AGI(ivr-agi,check,...) of asterisk-conf"


class HeaderBlock:
    """The input of pyst2: the header block that Asterisk sends first, and nothing behind it.

    The first line of a name counts: a later one may be the second half of an argument with a line break.
    """

    def __init__(self, stream: io.TextIOBase) -> None:
        self._stream = stream
        self._names: set[str] = set()
        self._remaining = MAX_HEADER_CHARS
        self.is_complete = False

    def readline(self) -> str:
        while line := self._stream.readline(self._remaining):
            self._remaining -= len(line)
            name = line.partition(":")[0].strip()
            if not name:
                self.is_complete = True
                return line
            if name not in self._names:
                self._names.add(name)
                return line
        return ""


class NullWriter:
    """The log of pyst2. It is discarded: it contains PINs."""

    def write(self, text: str) -> None:
        """Discard `text`."""


def read_agi_header() -> Any:
    """Return pyst2's `AGI` with the header block in its `env`. Call it in the main thread: it installs a signal
    handler.

    Raises `CallFailed` if Asterisk has not started this process.
    """
    if os.isatty(STDIN):
        raise CallFailed(f"ivr-agi cannot be run by hand: {REMEDY}")
    lines = io.TextIOWrapper(io.FileIO(STDIN, closefd=False), "utf-8", "replace")
    out = io.TextIOWrapper(io.BufferedWriter(io.FileIO(STDOUT, "w", closefd=False)), "utf-8", "replace", "\n")
    header = HeaderBlock(lines)
    agi = AGI(header, out, NullWriter())
    if not header.is_complete or "agi_channel" not in agi.env:
        raise CallFailed(f"no AGI header came: {REMEDY}")
    return agi


def received_sighup(agi: Any) -> bool:
    """Return whether SIGHUP, the signal of a hang-up, has arrived since the header was read."""
    try:
        agi.test_hangup()
    except AGISIGHUPHangup:
        return True
    return False
