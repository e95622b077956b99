"""The log of `ivr-agi` where Asterisk has no standard error: Debian's unit sets StandardError=null."""

from __future__ import annotations

import io
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

SYSLOG_SOCKET = Path("/dev/log")
"""Where systemd's journal, or another syslog, takes lines."""
PRIORITY = 30
"""daemon.info"""


class SyslogStream(io.TextIOBase):
    """A stream that sends each line to syslog, as the program `ivr-agi`. A line that cannot be sent is lost."""

    def __init__(self, address: Path) -> None:
        self._address = str(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def write(self, text: str, /) -> int:
        for line in filter(None, map(str.rstrip, text.splitlines())):
            # A log that is full or gone must not hold up a call.
            with suppress(OSError):
                self._socket.sendto(f"<{PRIORITY}>ivr-agi[{os.getpid()}]: {line}".encode(), self._address)
        return len(text)


def open_log_stream(address: Path = SYSLOG_SOCKET) -> TextIO:
    """Return standard error; syslog if standard error is the null device and there is a syslog."""
    try:
        is_null = os.fstat(2).st_rdev == os.stat(os.devnull).st_rdev
    except OSError:  # Standard error is closed.
        is_null = True
    return SyslogStream(address) if is_null and address.is_socket() else sys.stderr  # type: ignore[return-value]
