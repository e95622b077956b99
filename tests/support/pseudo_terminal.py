"""Runs a command in a pseudo terminal, reads its output and types keys."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from collections.abc import Mapping
from types import TracebackType

OUTPUT_TIMEOUT_S = 30.0


class PseudoTerminal:
    """A context manager: a command that still runs at the end is killed."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self.output = ""
        self._match_offset = 0
        self._process, self._screen = pty.fork()
        if self._process == 0:
            try:
                os.execvpe(command[0], command, {**os.environ, "TERM": "xterm", **environment})
            finally:
                os._exit(127)

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            self._wait()
        os.close(self._screen)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read until the pattern appears in the output, after the previous match."""
        deadline = time.monotonic() + OUTPUT_TIMEOUT_S
        while not (match := re.compile(pattern).search(self.output, self._match_offset)):
            has_more_output = self._read() and time.monotonic() < deadline
            assert has_more_output, f"{pattern!r} is not in {self.output[self._match_offset :]!r}"
        self._match_offset = match.end()
        return match

    def type(self, keys: str) -> None:
        """Type keys all at once, as pasted text arrives."""
        os.write(self._screen, keys.encode())

    def wait_for_exit(self) -> int:
        """Read to the end of the output. Return the exit code."""
        deadline = time.monotonic() + OUTPUT_TIMEOUT_S
        while self._read():
            assert time.monotonic() < deadline, f"still running: {self.output[self._match_offset :]!r}"
        return self._wait()

    def _read(self) -> bool:
        """Read output for at most a second. Return False at its end."""
        if not select.select([self._screen], [], [], 1)[0]:
            return True
        try:
            output = os.read(self._screen, 65_536)
        except OSError:  # Linux raises it when the last process has closed its terminal.
            return False
        self.output += output.decode(errors="replace")
        return bool(output)

    def _wait(self) -> int:
        _, status = os.waitpid(self._process, 0)
        self._process = 0
        return os.waitstatus_to_exitcode(status)
