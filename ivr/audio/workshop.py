"""Where audio is converted: a few processes of low priority, started when first needed, ended when they hang."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

from ivr.audio.formats import AudioFormat, named
from ivr.errors import AudioRefused, NotFound, SoundsError

PATIENCE_S = 120.0


class Workshop:
    """`workers`: how many jobs at a time; the others wait for their turn. `patience_s`: how long one may take."""

    def __init__(self, workers: int = 1, patience_s: float = PATIENCE_S) -> None:
        self._turns = asyncio.Semaphore(workers)
        self._idle: list[asyncio.subprocess.Process] = []
        self._patience_s = patience_s

    async def record(self, upload: Path, target: Path, longest_s: int) -> tuple[AudioFormat, int]:
        """Make a recording of our form at `target` of what was uploaded; its format, and its length in ms.

        Raises `AudioRefused`.
        """
        done = await self._do(job="record", upload=str(upload), target=str(target), longest_s=longest_s)
        return named(str(done["format"])), int(str(done["length_ms"]))

    async def form(self, paths: list[Path], form: AudioFormat, target: Path) -> None:
        """Give recordings of ours, joined, another form. Raises `NotFound`, `AudioRefused`."""
        await self._do(job="form", paths=[str(path) for path in paths], name=form.name, target=str(target))

    async def close(self) -> None:
        """Send the workers home."""
        for worker in self._idle:
            await _end(worker)
        self._idle.clear()

    async def _do(self, **job: object) -> dict[str, object]:
        async with self._turns:
            worker = self._idle.pop() if self._idle else await _hire()
            answer: dict[str, object] = {}
            try:
                answer = await asyncio.wait_for(_ask(worker, job), self._patience_s)
            except (TimeoutError, OSError, ValueError):
                pass  # It hangs, or was ended for taking too much; the file was not fit to be heard.
            finally:
                if answer:
                    self._idle.append(worker)
                else:
                    await _end(worker)
        return _outcome(answer)


def _outcome(answer: dict[str, object]) -> dict[str, object]:
    if "done" in answer:
        assert isinstance(answer["done"], dict)
        return answer["done"]
    if "gone" in answer:
        raise NotFound(f"the recording {Path(str(answer['gone'])).name} is gone")
    if "failed" in answer:
        raise SoundsError(f"audio could not be converted: {answer['failed']}")
    raise AudioRefused(str(answer.get("refused", "the audio takes too much time or memory to be read")))


async def _hire() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ivr.audio.worker",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


async def _ask(worker: asyncio.subprocess.Process, job: dict[str, object]) -> dict[str, object]:
    assert worker.stdin
    assert worker.stdout
    worker.stdin.write(json.dumps(job).encode() + b"\n")
    await worker.stdin.drain()
    answer: dict[str, object] = json.loads(await worker.stdout.readline())
    return answer


async def _end(worker: asyncio.subprocess.Process) -> None:
    """With whatever it started: both are of one process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.pid, signal.SIGKILL)
    await worker.wait()
