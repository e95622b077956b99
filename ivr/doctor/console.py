"""Asterisk's console, as far as the doctor asks it."""

from __future__ import annotations

import shlex
import subprocess
from typing import Protocol

from ivr.errors import IvrError

COMMAND_TIMEOUT_S = 15.0


class ConsoleUnavailable(IvrError):
    """Asterisk's console did not answer."""


class AsteriskConsole(Protocol):
    """Somebody who may type commands into Asterisk's console."""

    def run_command(self, command: str) -> str:
        """What Asterisk says to `command`. Raises `NoAnswer`."""


class RemoteConsole:
    """`asterisk -rx COMMAND`. `program`: the words before -rx, as a shell splits them."""

    def __init__(self, program: str) -> None:
        self._program = shlex.split(program)

    def run_command(self, command: str) -> str:
        try:
            done = subprocess.run(
                [*self._program, "-rx", command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConsoleUnavailable(f"{' '.join(self._program)} -rx failed: {error}") from error
        if done.returncode != 0 or "Unable to connect to remote asterisk" in done.stdout + done.stderr:
            raise ConsoleUnavailable(
                (done.stderr or done.stdout).strip().splitlines()[-1] if done.stderr or done.stdout else ""
            )
        return done.stdout
