"""Transcription: stored with the message, in the mail, and never in the way of a mail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from ivr.errors import NotificationFailed
from ivr.mailbox.mailbox import Mailbox
from ivr.notifications.settings import TranscriptionSettings
from ivr.notifications.transcription.handler import SubprocessTranscriber, TranscriptionHandler
from ivr.notifications.worker import OutboxWorker
from ivr.service.background import build_workers
from ivr.storage.records import Message, TaskKind
from tests.mailbox.test_replaced_audio import converted_upload
from tests.notifications.conftest import OWNER_EMAIL, NotificationAppFixture
from tests.notifications.test_mail import mail_text
from tests.support.app_fixture import SOUNDS
from tests.support.fake_smtp_server import FakeSmtpServer

TRANSCRIPT = "Call me back <b>today</b>."


@pytest.fixture
def engine_program(tmp_path: Path) -> Path:
    """Program for the engine `command`: prints a fixed text for any recording."""
    path = tmp_path / "engine"
    path.write_text(f"#!/bin/sh\ntest -s \"$1\" && echo '{TRANSCRIPT}'\n")
    path.chmod(0o755)
    return path


async def transcribing_app(tmp_path: Path, server: FakeSmtpServer, **transcription: Any) -> NotificationAppFixture:
    app = NotificationAppFixture(
        tmp_path / "data", mail={"host": "127.0.0.1", "port": server.port}, transcription=transcription
    )
    await app.open()
    return app


async def stored_transcript(app: NotificationAppFixture, box: Mailbox, message: Message) -> dict[str, str]:
    text = (await app.container.messages.get(box.id, message.id, 0)).transcription
    transcription: dict[str, str] = json.loads(text or "null")
    return transcription


async def test_transcript_is_stored_and_mailed(
    tmp_path: Path, smtp_server: FakeSmtpServer, engine_program: Path
) -> None:
    app = await transcribing_app(tmp_path, smtp_server, engine="command", command=str(engine_program))
    box = await app.create_box(notify_email=OWNER_EMAIL, transcribe=True)
    message = await app.leave_message(box)
    await app.run_until_idle()
    assert await stored_transcript(app, box, message) == {"result": "success", "text": TRANSCRIPT}
    [mail] = smtp_server.mails
    assert TRANSCRIPT in mail_text(mail)
    assert "Call me back &lt;b&gt;today&lt;/b&gt;." in mail_text(mail, "html")
    await app.shut_down()


async def test_transcript_of_replaced_audio_is_discarded(
    tmp_path: Path, smtp_server: FakeSmtpServer, engine_program: Path
) -> None:
    app = await transcribing_app(tmp_path, smtp_server, engine="command", command=str(engine_program))
    box = await app.create_box(transcribe=True)
    message = await app.leave_message(box)

    class ReplacingTranscriber:
        async def transcribe(self, recordings: Sequence[Path]) -> str:
            await app.container.api_services.audio.uploads.replace_audio(message, converted_upload(app, 5000, b"new"))
            return "The text of the old audio."

    [events_worker] = [worker for worker in build_workers(app.container, None) if TaskKind.NEW in worker.kinds]
    await events_worker.run_once()
    handler = TranscriptionHandler(
        boxes=app.container.boxes,
        messages=app.container.messages,
        delivery=app.container.delivery,
        transcriber=ReplacingTranscriber(),
        mail_enabled=True,
    )
    assert await OutboxWorker("transcription", handler.handlers, app.container.outbox, app.clock).run_once()
    assert await stored_transcript(app, box, message) is None
    await app.shut_down()


async def test_transcript_is_omitted_from_mail_when_disabled_by_box(
    tmp_path: Path, smtp_server: FakeSmtpServer, engine_program: Path
) -> None:
    app = await transcribing_app(tmp_path, smtp_server, engine="command", command=str(engine_program))
    box = await app.create_box(notify_email=OWNER_EMAIL, transcribe=True, include_transcription_on_notify=False)
    message = await app.leave_message(box)
    await app.run_until_idle()
    assert (await stored_transcript(app, box, message))["text"] == TRANSCRIPT
    assert TRANSCRIPT not in mail_text(smtp_server.mails[0])
    await app.shut_down()


async def test_transcription_is_off_by_default(
    tmp_path: Path, smtp_server: FakeSmtpServer, engine_program: Path
) -> None:
    app = await transcribing_app(tmp_path, smtp_server, engine="command", command=str(engine_program))
    box = await app.create_box(notify_email=OWNER_EMAIL)
    message = await app.leave_message(box)
    await app.run_until_idle()
    assert await stored_transcript(app, box, message) is None
    await app.shut_down()


@pytest.mark.parametrize(
    "engine",
    [
        {"engine": "command", "command": "false"},
        {"engine": "command", "command": "/no/such/program"},
        {"engine": "command", "command": "sleep 60 #", "timeout_s": 1},
        {"engine": "vosk", "model": "/no/such/model"},
    ],
    ids=["fails", "does not exist", "never ends", "has no model"],
)
async def test_failing_engine_does_not_delay_mail(
    tmp_path: Path, smtp_server: FakeSmtpServer, engine: dict[str, Any]
) -> None:
    app = await transcribing_app(tmp_path, smtp_server, **engine)
    box = await app.create_box(notify_email=OWNER_EMAIL, transcribe=True)
    message = await app.leave_message(box)
    await app.run_until_idle()
    assert (await stored_transcript(app, box, message))["result"] == "error"
    assert len(smtp_server.received) == 1
    await app.shut_down()


async def test_bundled_engine_transcribes_sample() -> None:
    text = await SubprocessTranscriber(TranscriptionSettings()).transcribe([SOUNDS / "demo" / "dentist.wav"])
    assert {"hello", "rachel", "doctor", "appointment"} <= set(text.split()), text


async def test_transcription_length_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "engine"
    path.write_text('#!/bin/sh\nstat -c %s "$1"\n')
    path.chmod(0o755)
    settings = TranscriptionSettings(engine="command", command=str(path), max_audio_s=3)
    text = await SubprocessTranscriber(settings).transcribe([SOUNDS / "demo" / "dentist.wav"])
    assert int(text) == wav.HEADER_BYTES + 3000 * wav.BYTES_PER_MS


async def test_missing_engine_error_names_remedy() -> None:
    with pytest.raises(NotificationFailed, match="needs the folder of a model"):
        await SubprocessTranscriber(TranscriptionSettings(engine="whisper")).transcribe([])


@pytest.mark.parametrize(("language", "is_supported"), [("en", True), ("en-GB", True), ("de", False)])
def test_english_engine_handles_only_english(language: str, is_supported: bool) -> None:
    assert TranscriptionSettings().supports_language(language) is is_supported
    assert TranscriptionSettings(engine="whisper").supports_language(language)
    assert not TranscriptionSettings(engine="off").supports_language(language)
