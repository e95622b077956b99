"""Transcriber interface, and its implementation by a subprocess of low priority."""

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
from ivr.notifications.settings import TranscriptionSettings


class Transcriber(Protocol):
    """Speech recognition for messages."""

    async def transcribe(self, recordings: Sequence[Path]) -> str:
        """Return the text of the concatenated recordings; "" when no speech was recognized.

        Raises `NotificationFailed` when the engine failed or ran longer than allowed.
        """


class SubprocessTranscriber:
    """Runs the configured engine in one subprocess per message."""

    def __init__(self, settings: TranscriptionSettings) -> None:
        self._settings = settings

    async def transcribe(self, recordings: Sequence[Path]) -> str:
        with tempfile.TemporaryDirectory(prefix="ivr-transcription-") as folder:
            result = await self._run_subprocess(
                {
                    "engine": self._settings.engine,
                    "command": self._settings.command,
                    "model": str(self._settings.model) if self._settings.model else "",
                    "max_audio_s": self._settings.max_audio_s,
                    "cpu_limit_s": self._settings.timeout_s,
                    "paths": [str(path) for path in recordings],
                    "joined": str(Path(folder) / "message.wav"),
                }
            )
        if "text" not in result:
            raise NotificationFailed(f"transcription failed: {result.get('error', 'the engine crashed')}")
        return str(result["text"])

    async def _run_subprocess(self, request: dict[str, object]) -> dict[str, object]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ivr.notifications.transcription.engine_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            output, _ = await asyncio.wait_for(
                process.communicate(json.dumps(request).encode()), self._settings.timeout_s
            )
            result: dict[str, object] = json.loads(output.decode().strip().splitlines()[-1])
        except TimeoutError:
            return {"error": f"it took longer than {self._settings.timeout_s} s (transcription.timeout_s)"}
        except (ValueError, IndexError):
            return {}
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return result
