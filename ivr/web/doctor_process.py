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
COMMAND = (sys.executable, "-P", "-m", "ivr", "doctor", "--json")

log = structlog.get_logger()


class DoctorProcess:
    """Runs the command, one process at a time."""

    def __init__(self, command: Sequence[str] = COMMAND, *, timeout_s: float = TIMEOUT_S) -> None:
        self._command = command
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()

    async def run(self) -> Sequence[Finding] | None:
        """Return the findings; None if the command failed or took too long."""
        async with self._lock:
            process = await asyncio.create_subprocess_exec(
                *("nice", *self._command),
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
