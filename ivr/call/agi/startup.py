"""A call that Asterisk has started this process for, taken by pyst2's `AGI`.

pyst2 reads the header block, notes the signal of a hang-up and sends the commands. It is not let near two things. It
puts quotes around words without regard to those within: our commands are quoted before it gets them. And it reads a
reply by waiting for it, tells a -1 without the position that belongs to it, and takes the end of the stream for a
number: replies are read by `fastagi.connection`, which listens for keys meanwhile.
"""

from __future__ import annotations

import io
import os
from typing import Any

from asterisk.agi import AGI, AGISIGHUPHangup

from ivr.errors import CallFailed

MAX_HEADER_CHARS = 16_384
"""Characters."""
STDIN, STDOUT = 0, 1
REMEDY = "it is started by Asterisk, by the line AGI(ivr-agi,check,...) of asterisk-conf"


class HeaderBlock:
    """What pyst2 is given as its input: the block that Asterisk begins with, and no more than that.

    The first line of a name counts: one that comes later may be the second half of an argument with a line break.
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
    """What pyst2 is given to tell what it does: PINs are in there."""

    def write(self, text: str) -> None:
        """Forget it."""


def read_agi_header() -> Any:
    """pyst2's `AGI`, with the header block in its `env`. For the main thread: it minds a signal.

    Raises `CallFailed` where this process has not been started by Asterisk.
    """
    if os.isatty(STDIN):
        raise CallFailed(f"ivr-agi is no command for people: {REMEDY}")
    lines = io.TextIOWrapper(io.FileIO(STDIN, closefd=False), "utf-8", "replace")
    out = io.TextIOWrapper(io.BufferedWriter(io.FileIO(STDOUT, "w", closefd=False)), "utf-8", "replace", "\n")
    header = HeaderBlock(lines)
    agi = AGI(header, out, NullWriter())
    if not header.is_complete or "agi_channel" not in agi.env:
        raise CallFailed(f"no AGI header came: {REMEDY}")
    return agi


def received_sighup(agi: Any) -> bool:
    """Whether the signal of a hang-up came since the call was opened."""
    try:
        agi.test_hangup()
    except AGISIGHUPHangup:
        return True
    return False
