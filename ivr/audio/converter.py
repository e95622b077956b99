"""A pool of worker processes that convert audio: low priority, started when first needed, killed when they hang."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from ivr.audio.fair_queue import FairQueue
from ivr.audio.ffmpeg import DEFAULT_LIMITS, DecoderLimits
from ivr.audio.formats import AudioFormat, by_name
from ivr.errors import InvalidAudio, NotFound, SoundsError

TIMEOUT_S = 120.0
"""Time for one job, in seconds."""
MAX_WAITING_UPLOADS = 20
FORBIDDEN_CALL = (
    "the unit of systemd forbids a system call of the converter: run 'ivr install', then: systemctl daemon-reload;"
    " systemctl restart ivr"
)


class ConversionPool:
    """Runs at most `workers` jobs at a time; further jobs wait, those of each account in turn.

    A job that exceeds `timeout_s` is killed. `limits`: of the decoder of each upload. `max_waiting_uploads`: of one
    account.
    """

    def __init__(
        self,
        workers: int = 1,
        timeout_s: float = TIMEOUT_S,
        *,
        limits: DecoderLimits = DEFAULT_LIMITS,
        max_waiting_uploads: int = MAX_WAITING_UPLOADS,
    ) -> None:
        self.worker_count = workers
        self._queue = FairQueue(workers, max_waiting_uploads)
        self._idle: list[asyncio.subprocess.Process] = []
        self.timeout_s = timeout_s
        self._limits = limits

    @property
    def running(self) -> int:
        """Jobs that are being worked on."""
        return self._queue.running

    @property
    def waiting(self) -> int:
        """Jobs that wait for a worker."""
        return self._queue.waiting

    async def decode_to_recording(
        self, account_id: str, upload: Path, target: Path, longest_s: int
    ) -> tuple[AudioFormat, int]:
        """Decode an upload to a recording at `target`; return its original format and its length in ms.

        Raises `InvalidAudio`, also for audio longer than `longest_s` seconds, or that exceeds the limits;
        `TooMuchWork` if too many uploads of the account wait.
        """
        job = {"upload": str(upload), "target": str(target), "longest_s": longest_s, "limits": asdict(self._limits)}
        async with self._queue.place(account_id, is_refusable=True):
            result = await self._run_job({"job": "record", **job})
        return by_name(str(result["format"])), int(str(result["length_ms"]))

    async def encode(self, account_id: str, paths: list[Path], audio_format: AudioFormat, target: Path) -> None:
        """Concatenate recordings and encode them. Raises `NotFound` for a missing recording, `InvalidAudio`."""
        job = {"paths": [str(path) for path in paths], "name": audio_format.name, "target": str(target)}
        async with self._queue.place(account_id, is_refusable=False):
            await self._run_job({"job": "form", **job})

    async def close(self) -> None:
        """Stop all workers."""
        for worker in self._idle:
            await _stop_worker(worker)
        self._idle.clear()

    async def _run_job(self, job: dict[str, object]) -> dict[str, object]:
        worker = self._idle.pop() if self._idle else await _start_worker()
        response: dict[str, object] = {}
        try:
            response = await asyncio.wait_for(_send_job(worker, job), self.timeout_s)
        except (TimeoutError, OSError, ValueError):
            pass  # The worker hangs, or was killed for exceeding its limits: the file counts as invalid.
        finally:
            if response:
                self._idle.append(worker)
            else:
                await _stop_worker(worker)
        if worker.returncode == -signal.SIGSYS:
            raise SoundsError(FORBIDDEN_CALL)
        return _parse_response(response)


def _parse_response(response: dict[str, object]) -> dict[str, object]:
    if "done" in response:
        assert isinstance(response["done"], dict)
        return response["done"]
    if "gone" in response:
        raise NotFound(f"the recording {Path(str(response['gone'])).name} is gone")
    if "failed" in response:
        raise SoundsError(f"audio could not be converted: {response['failed']}")
    raise InvalidAudio(str(response.get("refused", "the audio takes too much time or memory to convert")))


async def _start_worker() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # Else modules of the current folder would win, and root works in folders of others.
        "-m",
        "ivr.audio.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def _send_job(worker: asyncio.subprocess.Process, job: dict[str, object]) -> dict[str, object]:
    assert worker.stdin
    assert worker.stdout
    worker.stdin.write(json.dumps(job).encode() + b"\n")
    await worker.stdin.drain()
    response: dict[str, object] = json.loads(await worker.stdout.readline())
    return response


async def _stop_worker(worker: asyncio.subprocess.Process) -> None:
    """Kill the worker and the ffmpeg it may have started: both are in one process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.pid, signal.SIGKILL)
    await worker.wait()
