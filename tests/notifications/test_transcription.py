"""Transcription: stored with the message, in the mail, and never in the way of a mail."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from ivr.directory.models import Account
from ivr.errors import ConfigurationError, NotificationFailed
from ivr.mailbox.mailbox import Mailbox
from ivr.notifications.settings import TranscriptionSettings
from ivr.notifications.transcription import whisper_model
from ivr.notifications.transcription.digits import write_digits
from ivr.notifications.transcription.engines import SpokenWord, Transcript, choose_engine, supports_language
from ivr.notifications.transcription.handler import SubprocessTranscriber, TranscriptionHandler
from ivr.notifications.worker import OutboxRunner, OutboxWorker
from ivr.service.background import build_workers
from ivr.storage.records import Message, OutboxTask, TaskKind
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


async def stored_transcript(app: NotificationAppFixture, box: Mailbox, message: Message) -> dict[str, Any]:
    text = (await app.container.messages.get(box.id, message.id, 0)).transcription
    transcription: dict[str, Any] = json.loads(text or "null")
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
        async def transcribe(self, recordings: Sequence[Path], language: str) -> Transcript:
            await app.container.api_services.audio.uploads.replace_audio(message, converted_upload(app, 5000, b"new"))
            return Transcript("The text of the old audio.")

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
        {"engine": "command", "command": "sh -c 'sleep 60'", "timeout_s": 1},
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
    settings = TranscriptionSettings(engine="pocketsphinx")
    text = (await SubprocessTranscriber(settings).transcribe([SOUNDS / "demo" / "dentist.wav"], "en")).text
    assert {"hello", "rachel", "doctor", "appointment"} <= set(text.split()), text


@pytest.mark.skipif(not whisper_model.is_installed(), reason="needs the extra transcription-whisper")
async def test_whisper_writes_words_with_times_and_digits() -> None:
    transcript = await SubprocessTranscriber(TranscriptionSettings()).transcribe(
        [SOUNDS / "demo" / "dentist.wav"], "en"
    )
    assert "appointment" in transcript.text
    assert [word.start_ms for word in transcript.words] == sorted(word.start_ms for word in transcript.words)
    length_ms = wav.length_ms(SOUNDS / "demo" / "dentist.wav")
    assert all(0 <= word.start_ms <= word.end_ms <= length_ms for word in transcript.words)
    assert len(transcript.words) == pytest.approx(len(transcript.text.split()), abs=6)


def test_engine_is_off_unless_whisper_is_installed_or_one_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper_model, "is_installed", lambda: False)
    assert choose_engine(TranscriptionSettings()) == "off"
    assert choose_engine(TranscriptionSettings(engine="pocketsphinx")) == "pocketsphinx"
    monkeypatch.setattr(whisper_model, "is_installed", lambda: True)
    assert choose_engine(TranscriptionSettings()) == "whisper"
    assert choose_engine(TranscriptionSettings(engine="off")) == "off"


def fake_model_packages(folder: Path, monkeypatch: pytest.MonkeyPatch, halves: tuple[bytes, bytes]) -> None:
    for n, (package, half) in enumerate(zip(whisper_model.PACKAGES, halves, strict=True), 1):
        data = folder / package / "data"
        data.mkdir(parents=True)
        (data.parent / "__init__.py").touch()
        (data / f"model.bin.part{n}").write_bytes(half)
        for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
            (data / name).write_text(name)
    monkeypatch.syspath_prepend(str(folder))


def test_halves_of_the_model_are_joined_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_model_packages(tmp_path, monkeypatch, (b"first ", b"second"))
    with pytest.raises(ConfigurationError, match=r"has not the sha256 d01c3014.*install the packages again"):
        whisper_model.read_model_files()
    monkeypatch.setattr(whisper_model, "MODEL_SHA256", hashlib.sha256(b"first second").hexdigest())
    files = whisper_model.read_model_files()
    assert files["model.bin"] == b"first second"
    assert files["config.json"] == b"config.json"


async def test_words_with_their_times_are_stored_with_the_message(tmp_path: Path, smtp_server: FakeSmtpServer) -> None:
    app = await transcribing_app(tmp_path, smtp_server, engine="command", command="true")
    spanish = await app.container.directory.update_user(app.alice.model_copy(update={"language": "es"}))
    box = await app.create_box(owner=spanish, transcribe=True)
    message = await app.leave_message(box)
    languages: list[str] = []

    class TimingTranscriber:
        async def transcribe(self, recordings: Sequence[Path], language: str) -> Transcript:
            languages.append(language)
            return Transcript("Hola Ana", (SpokenWord("Hola", 120, 480), SpokenWord("Ana", 500, 900)))

    [events_worker] = [worker for worker in build_workers(app.container, None) if TaskKind.NEW in worker.kinds]
    await events_worker.run_once()
    handler = TranscriptionHandler(
        boxes=app.container.boxes,
        messages=app.container.messages,
        delivery=app.container.delivery,
        transcriber=TimingTranscriber(),
        mail_enabled=False,
    )
    assert await OutboxWorker("transcription", handler.handlers, app.container.outbox, app.clock).run_once()
    stored = await stored_transcript(app, box, message)
    assert stored["text"] == "Hola Ana"
    assert stored["words"] == [
        {"word": "Hola", "start_ms": 120, "end_ms": 480}, {"word": "Ana", "start_ms": 500, "end_ms": 900},
    ]  # fmt: skip
    assert languages == ["es"]
    await app.shut_down()


@pytest.mark.parametrize(
    ("language", "spoken", "written"),
    [
        ("en", "My number is two five five seven one.", "My number is 25571."),
        ("en", "Call two, five, five - seven please", "Call 2557 please"),
        ("en-GB", "oh one six oh", "0160"),
        ("en", "one or two days, two three", "one or two days, two three"),
        ("en", "someone two five bones", "someone two five bones"),
        ("es-MX", "Llame al uno dos tres cuatro", "Llame al 1234"),
        ("fr", "zéro six douze", "zéro six douze"),
        ("pt-BR", "ligue meia um nove", "ligue 619"),
        ("ja", "one two three", "one two three"),
    ],
)
def test_dictated_digits_are_written_as_digits(language: str, spoken: str, written: str) -> None:
    assert write_digits(spoken, language) == written


async def test_transcription_length_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "engine"
    path.write_text('#!/bin/sh\nstat -c %s "$1"\n')
    path.chmod(0o755)
    settings = TranscriptionSettings(engine="command", command=str(path), max_audio_s=3)
    text = (await SubprocessTranscriber(settings).transcribe([SOUNDS / "demo" / "dentist.wav"], "en")).text
    assert int(text) == wav.HEADER_BYTES + 3000 * wav.BYTES_PER_MS


async def test_command_gets_no_password_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IVR_MAIL__PASSWORD", "correct-horse")
    path = tmp_path / "engine"
    path.write_text("#!/bin/sh\nenv | tr '\\n' ' '\n")
    path.chmod(0o755)
    settings = TranscriptionSettings(engine="command", command=str(path))
    text = (await SubprocessTranscriber(settings).transcribe([SOUNDS / "demo" / "dentist.wav"], "en")).text
    assert "PATH=" in text
    assert "correct-horse" not in text


@pytest.mark.skipif(os.geteuid() != 0, reason="root refuses; another user has nothing to lose")
async def test_root_does_not_run_a_command_that_others_can_change(tmp_path: Path) -> None:
    """`ivr maintain` as root transcribes what waits."""
    folder = tmp_path / "of-alice"
    folder.mkdir()
    path = folder / "engine"
    path.write_text("#!/bin/sh\necho ran\n")
    path.chmod(0o755)
    os.chown(folder, 61002, -1)
    for command in (str(path), f"/bin/sh {path}"):
        settings = TranscriptionSettings(engine="command", command=command)
        with pytest.raises(NotificationFailed, match=r"root does not run .*of-alice can be changed by other users"):
            await SubprocessTranscriber(settings).transcribe([SOUNDS / "demo" / "dentist.wav"], "en")


async def test_missing_engine_error_names_remedy() -> None:
    with pytest.raises(NotificationFailed, match="needs the folder of a model"):
        await SubprocessTranscriber(TranscriptionSettings(engine="vosk")).transcribe([], "en")


@pytest.mark.parametrize(("language", "is_supported"), [("en", True), ("en-GB", True), ("de", False)])
def test_english_engine_handles_only_english(language: str, is_supported: bool) -> None:
    assert supports_language("pocketsphinx", language) is is_supported
    assert supports_language("whisper", language)
    assert not supports_language("off", language)


async def test_accounts_take_turns(
    tmp_path: Path, smtp_server: FakeSmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one message of a third account waits neither for all of the first nor for all of the second."""
    app = await transcribing_app(tmp_path, smtp_server, engine="whisper")
    accounts = [app.account]
    accounts += [await app.container.directory.create_account(Account(name=n, realm=f"{n}.example")) for n in "bc"]
    turns: list[str] = []

    async def transcribe(_: TranscriptionHandler, task: OutboxTask) -> None:
        turns.append(next(account.name for account in accounts if account.id == task.account_id))

    monkeypatch.setattr(TranscriptionHandler, "transcribe", transcribe)
    app.outbox_runner = OutboxRunner(app.container.outbox, build_workers(app.container, None))
    for account, count in zip(accounts, (4, 4, 1), strict=True):
        app.account = account
        box = await app.create_box(transcribe=True)
        for _ in range(count):
            await app.leave_message(box)
    await app.run_until_idle()
    assert turns[:3] == ["demo", "b", "c"]
    assert "".join(turns[3:]).replace("demo", "a") == "ababab"
    await app.shut_down()
