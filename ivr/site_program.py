"""A program of the site that a setting makes the service run, such as one for each change of a mailbox.

It runs as the service's user, without a shell and without the environment of the service, and only if no user but root
can change it, or a folder or link on the way to it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ivr.errors import ProgramFailed, describe_error
from ivr.trusted_path import changeable_by_others, refusal

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
TIMEOUT_S = 10.0
"""An owner at the phone waits for the program that runs after a PIN was set."""
MAX_ERROR_LENGTH = 300
READ_SIZE = 16_384


class _ErrorOutput:
    """The standard error of a program: its beginning is kept, and the rest is read and dropped."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self.beginning = b""

    def __enter__(self) -> _ErrorOutput:
        asyncio.get_running_loop().add_reader(self._read_end, self.read_available)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._read_end)
        os.close(self._read_end)
        os.close(self.write_end)

    def read_available(self) -> None:
        """Read once what is there."""
        with suppress(BlockingIOError):
            self.beginning = (self.beginning + os.read(self._read_end, READ_SIZE))[:READ_SIZE]


class SiteProgram:
    """`setting`: its name, for errors."""

    def __init__(self, path: Path, setting: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._setting = setting
        self._timeout_s = timeout_s

    async def run(self, *arguments: str, given: str = "") -> None:
        """Run the program to its end, with `given` as its standard input. Raises `ProgramFailed`.

        What it leaves running in the background is not waited for, though it may have the program's standard error.
        """
        await asyncio.to_thread(self._verify)
        with _ErrorOutput() as errors:
            returncode = await self._run(arguments, given, errors.write_end)
            errors.read_available()
        if returncode:
            reason = " ".join(errors.beginning.decode(errors="replace").split())[:MAX_ERROR_LENGTH]
            raise self._failure(f"exit code {returncode}: {reason}" if reason else f"code {returncode}")

    async def _run(self, arguments: Sequence[str], given: str, stderr: int) -> int:
        try:
            process = await asyncio.create_subprocess_exec(
                self._path,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=stderr,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise self._failure(describe_error(error)) from error
        try:
            async with asyncio.timeout(self._timeout_s):
                await process.communicate(given.encode())
        except TimeoutError:
            raise self._failure(f"it has not ended after {self._timeout_s:g} s") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return process.returncode or 0

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
