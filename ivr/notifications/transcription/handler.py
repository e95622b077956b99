"""Transcribes new messages, stores the text with the message, and enqueues the mails afterwards.

A failure is stored as well, and the mails are sent without a text.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import structlog

from ivr.errors import NotFound, NotificationFailed, PastRetention
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.delivery import Delivery
from ivr.notifications.mail.subscriber import enqueue_new_message_mail
from ivr.notifications.settings import TranscriptionSettings
from ivr.notifications.transcription.engines import SpokenWord, Transcript, choose_engine
from ivr.notifications.worker import NO_CUTOFF, Handler, HandlerResult
from ivr.storage.protocols import MessageStore, Transaction
from ivr.storage.records import Folder, Message, OutboxTask, TaskKind

log = structlog.get_logger()


class TranscriptionHandler:
    """Handler of transcription tasks. `mail_enabled`: whether a mail server is configured."""

    def __init__(
        self,
        *,
        boxes: Boxes,
        messages: MessageStore,
        delivery: Delivery,
        transcriber: Transcriber,
        mail_enabled: bool,
    ) -> None:
        self._boxes = boxes
        self._messages = messages
        self._delivery = delivery
        self._transcriber = transcriber
        self._mail_enabled = mail_enabled

    @property
    def handlers(self) -> dict[TaskKind, Handler]:
        return {TaskKind.TRANSCRIPTION: self.transcribe}

    async def transcribe(self, task: OutboxTask) -> HandlerResult:
        """Transcribe one message, unless its box or message no longer exists."""
        try:
            mailbox = await self._boxes.get(task.box_id)
            message = await self._messages.get(task.box_id, str(task.message_id), NO_CUTOFF)
        except (NotFound, PastRetention):
            return None
        transcription = json.dumps(await self._transcribe_audio(message, mailbox.language), ensure_ascii=False)

        def store_and_notify(transaction: Transaction) -> None:
            transaction.set_transcription(message, transcription)
            if self._mail_enabled and message.folder is Folder.NEW and not task.payload.get("suppress_notifications"):
                enqueue_new_message_mail(transaction, mailbox, message)

        return store_and_notify

    async def _transcribe_audio(self, message: Message, language: str) -> dict[str, object]:
        try:
            recordings = await self._delivery.fetch_audio(message)
            transcript = await self._transcriber.transcribe(recordings, language)
        except NotificationFailed as error:
            log.error("transcription.failed", message=message.id, error=str(error))
            return {"result": "error", "text": ""}
        log.info("transcription.completed", message=message.id, words=len(transcript.text.split()))
        words = [asdict(word) for word in transcript.words]
        return {"result": "success", "text": transcript.text, **({"words": words} if words else {})}


class Transcriber(Protocol):
    """Speech recognition for messages."""

    async def transcribe(self, recordings: Sequence[Path], language: str) -> Transcript:
        """Return what is said in the concatenated recordings; an empty text when no speech was recognized.

        Raises `NotificationFailed` when the engine failed or ran longer than allowed.
        """


class SubprocessTranscriber:
    """Runs the configured engine in one subprocess per message, one message at a time."""

    def __init__(self, settings: TranscriptionSettings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()

    async def transcribe(self, recordings: Sequence[Path], language: str) -> Transcript:
        async with self._lock:
            return await self._transcribe(recordings, language)

    async def _transcribe(self, recordings: Sequence[Path], language: str) -> Transcript:
        with tempfile.TemporaryDirectory(prefix="ivr-transcription-") as folder:
            result = await self._run_subprocess(
                {
                    "engine": choose_engine(self._settings),
                    "language": language,
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
        return Transcript(result["text"], tuple(SpokenWord(**word) for word in result["words"]))

    async def _run_subprocess(self, request: dict[str, object]) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # Else modules of the current folder would win.
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
            result: dict[str, Any] = json.loads(output.decode().strip().splitlines()[-1])
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
