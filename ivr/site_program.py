"""A program of the site that a setting makes the service run, such as one for each change of a mailbox.

It runs as the service's user, without a shell and without the environment of the service, and only if no user but root
can change it, or a folder or link on the way to it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from ivr.errors import ProgramFailed, describe_error
from ivr.trusted_path import changeable_by_others, refusal

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
TIMEOUT_S = 10.0
"""An owner at the phone waits for the program that runs after a PIN was set."""
MAX_ERROR_LENGTH = 300


class SiteProgram:
    """`setting`: its name, for errors."""

    def __init__(self, path: Path, setting: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._setting = setting
        self._timeout_s = timeout_s

    async def run(self, *arguments: str, given: str = "") -> None:
        """Run the program to its end, with `given` as its standard input. Raises `ProgramFailed`."""
        await asyncio.to_thread(self._verify)
        try:
            process = await asyncio.create_subprocess_exec(
                self._path,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise self._failure(describe_error(error)) from error
        try:
            async with asyncio.timeout(self._timeout_s):
                _, complaint = await process.communicate(given.encode())
        except TimeoutError:
            raise self._failure(f"it has not ended after {self._timeout_s:g} s") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode:
            reason = " ".join(complaint.decode(errors="replace").split())[:MAX_ERROR_LENGTH]
            raise self._failure(f"exit code {process.returncode}: {reason}" if reason else f"code {process.returncode}")

    def _verify(self) -> None:
        """Raise `ProgramFailed` if another user than root could choose what runs."""
        try:
            changeable = changeable_by_others(self._path)
        except OSError as error:
            raise self._failure(describe_error(error)) from error
        if changeable:
            raise self._failure(refusal(changeable))

    def _failure(self, reason: str) -> ProgramFailed:
        return ProgramFailed(f"{self._path} of {self._setting}: {reason}")
