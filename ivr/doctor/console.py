"""Asterisk's console."""

from __future__ import annotations

import shlex
import subprocess
from typing import Protocol

from ivr.errors import IvrError

COMMAND_TIMEOUT_S = 15.0


class ConsoleUnavailable(IvrError):
    """Asterisk's console did not reply."""


class AsteriskConsole(Protocol):
    """A connection to Asterisk's console."""

    def run_command(self, command: str) -> str:
        """Return the output of a command. Raises `ConsoleUnavailable`."""


class RemoteConsole:
    """Runs `asterisk -rx COMMAND`.

    `program`: what precedes -rx, split into words as by a shell. `timeout_s`: for each command.
    """

    def __init__(self, program: str, *, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        self._program = shlex.split(program)
        self._timeout_s = timeout_s

    def run_command(self, command: str) -> str:
        try:
            done = subprocess.run(
                [*self._program, "-rx", command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timeout_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConsoleUnavailable(f"{' '.join(self._program)} -rx failed: {error}") from error
        if done.returncode != 0 or "Unable to connect to remote asterisk" in done.stdout + done.stderr:
            raise ConsoleUnavailable(
                (done.stderr or done.stdout).strip().splitlines()[-1] if done.stderr or done.stdout else ""
            )
        return done.stdout
