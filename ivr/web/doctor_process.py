"""Runs `ivr doctor` in a process of its own, so that its checks neither hold the service nor use its connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence

import structlog

from ivr.health.finding import Finding, Level

TIMEOUT_S = 60.0
NICENESS = 5
"""The checks take 0.8 s of processor time. With 10, which `nice` gives by default, a busy machine took 18 to 32 s."""
COMMAND = (sys.executable, "-P", "-m", "ivr", "doctor", "--json")

log = structlog.get_logger()


class DoctorProcess:
    """Runs the command, one process at a time. Who asks while it runs shares the next run with all others who do."""

    def __init__(self, command: Sequence[str] = COMMAND, *, timeout_s: float = TIMEOUT_S) -> None:
        self._command = command
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._next_run: asyncio.Task[Sequence[Finding] | None] | None = None

    async def run(self) -> Sequence[Finding] | None:
        """Return the findings of a run that begins now or later; None if the command failed or took too long."""
        if self._next_run is None:
            self._next_run = asyncio.create_task(self._run_command())
        return await asyncio.shield(self._next_run)  # Others wait for it, too.

    async def _run_command(self) -> Sequence[Finding] | None:
        async with self._lock:
            self._next_run = None
            process = await asyncio.create_subprocess_exec(
                *("nice", "-n", str(NICENESS), *self._command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                output, _ = await asyncio.wait_for(process.communicate(), self._timeout_s)
                return [Finding(**{**found, "level": Level(found["level"])}) for found in json.loads(output)]
            except (TimeoutError, ValueError, TypeError, KeyError) as error:
                log.warning("page.doctor_failed", error=str(error) or "it took too long")
                return None
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
