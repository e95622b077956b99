"""Start of a call over classic AGI, with pyst2's `AGI`.

pyst2 reads the header block, handles the signal of a hang-up and sends the commands. Two things it does not do here. It
quotes words without regard to quotes in them, so commands are quoted before. And it blocks until a reply comes, returns
-1 without the position, and takes the end of the stream for a number; so replies are read by `fastagi.connection`,
which listens for keys meanwhile.
"""

from __future__ import annotations

import io
import os
from typing import Any

from asterisk.agi import AGI, AGISIGHUPHangup

from ivr.errors import CallFailed

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
