"""The port behind which speech becomes text, and the one that has it done by a process of low priority."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ivr.errors import NotificationFailed
from ivr.notifications.transcription.settings import TranscriptionSettings


class Transcriber(Protocol):
    """Turns a message into text."""

    async def transcribe(self, recordings: Sequence[Path]) -> str:
        """What was said in them, in their order; "" for nothing. Raises `NotificationFailed` where it cannot be told."""


class SubprocessTranscriber:
    """The engine of the settings, in a process for each message."""

    def __init__(self, settings: TranscriptionSettings) -> None:
        self._settings = settings

    async def transcribe(self, recordings: Sequence[Path]) -> str:
        with tempfile.TemporaryDirectory(prefix="ivr-transcript-") as folder:
            answer = await self._run_subprocess(
                {
                    "engine": self._settings.engine,
                    "command": self._settings.command,
                    "model": str(self._settings.model) if self._settings.model else "",
                    "longest_s": self._settings.longest_s,
                    "cpu_s": self._settings.timeout_s,
                    "paths": [str(path) for path in recordings],
                    "joined": str(Path(folder) / "message.wav"),
                }
            )
        if "text" not in answer:
            raise NotificationFailed(f"no transcript: {answer.get('error', 'the engine ended without an answer')}")
        return str(answer["text"])

    async def _run_subprocess(self, job: dict[str, object]) -> dict[str, object]:
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ivr.notifications.transcription.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            said, _ = await asyncio.wait_for(worker.communicate(json.dumps(job).encode()), self._settings.timeout_s)
            answer: dict[str, object] = json.loads(said.decode().strip().splitlines()[-1])
        except TimeoutError:
            return {"error": f"it took longer than {self._settings.timeout_s} s"}
        except (ValueError, IndexError):
            return {}
        finally:
            if worker.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(worker.pid, signal.SIGKILL)
                await worker.wait()
        return answer
