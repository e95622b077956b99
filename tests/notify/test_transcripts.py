"""What was said, as text: with the message, in the mail, and never in anybody's way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from ivr.errors import NotDelivered
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Message
from ivr.notify.transcript.settings import TranscriptSettings
from ivr.notify.transcript.transcriber import WorkerTranscriber
from tests.mailbox.test_replaced_audio import brought
from tests.notify.conftest import ANN, Home
from tests.notify.test_mail import text_of
from tests.support.house import SOUNDS
from tests.support.mailserver import MailServer

SAID = "Call me back <b>today</b>."


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """An engine that understands everything, as long as it is given a recording."""
    path = tmp_path / "engine"
    path.write_text(f"#!/bin/sh\ntest -s \"$1\" && echo '{SAID}'\n")
    path.chmod(0o755)
    return path


async def home_with(tmp_path: Path, server: MailServer, **transcript: Any) -> Home:
    home = Home(tmp_path / "data", mail={"host": "127.0.0.1", "port": server.port}, transcript=transcript)
    await home.open()
    return home


async def kept(home: Home, box: Mailbox, message: Message) -> dict[str, str]:
    text = (await home.app.messages.get(box.id, message.id, 0)).transcription
    found: dict[str, str] = json.loads(text or "null")
    return found


async def test_it_is_kept_with_the_message_and_in_its_mail(
    tmp_path: Path, mail_server: MailServer, program: Path
) -> None:
    home = await home_with(tmp_path, mail_server, engine="command", command=str(program))
    box = await home.box(notify_email=ANN, transcribe=True)
    message = await home.is_left(box)
    await home.settle()
    assert await kept(home, box, message) == {"result": "success", "text": SAID}
    [mail] = mail_server.mails
    assert SAID in text_of(mail)
    assert "Call me back &lt;b&gt;today&lt;/b&gt;." in text_of(mail, "html")
    await home.leaves()


async def test_of_audio_that_is_replaced_meanwhile_nothing_is_kept(
    tmp_path: Path, mail_server: MailServer, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = await home_with(tmp_path, mail_server, engine="command", command=str(program))
    box = await home.box(transcribe=True)
    message = await home.is_left(box)

    async def meanwhile(self: object, paths: list[Path]) -> str:
        await home.app.rest.uploads.replace(message, brought(home, 5000, b"new"))
        return "What was said before."

    monkeypatch.setattr(WorkerTranscriber, "transcribe", meanwhile)
    await home.settle()
    assert await kept(home, box, message) is None
    await home.leaves()


async def test_the_mail_leaves_it_out_where_the_box_says_so(
    tmp_path: Path, mail_server: MailServer, program: Path
) -> None:
    home = await home_with(tmp_path, mail_server, engine="command", command=str(program))
    box = await home.box(notify_email=ANN, transcribe=True, include_transcription_on_notify=False)
    message = await home.is_left(box)
    await home.settle()
    assert (await kept(home, box, message))["text"] == SAID
    assert SAID not in text_of(mail_server.mails[0])
    await home.leaves()


async def test_without_transcribe_nobody_listens(tmp_path: Path, mail_server: MailServer, program: Path) -> None:
    home = await home_with(tmp_path, mail_server, engine="command", command=str(program))
    box = await home.box(notify_email=ANN)
    message = await home.is_left(box)
    await home.settle()
    assert await kept(home, box, message) is None
    await home.leaves()


@pytest.mark.parametrize(
    "engine",
    [
        {"engine": "command", "command": "false"},
        {"engine": "command", "command": "/no/such/program"},
        {"engine": "command", "command": "sleep 60 #", "timeout_s": 1},
        {"engine": "vosk", "model": "/no/such/model"},
    ],
    ids=["fails", "is not there", "never ends", "has no model"],
)
async def test_an_engine_that_does_not_work_holds_no_mail_back(
    tmp_path: Path, mail_server: MailServer, engine: dict[str, Any]
) -> None:
    home = await home_with(tmp_path, mail_server, **engine)
    box = await home.box(notify_email=ANN, transcribe=True)
    message = await home.is_left(box)
    await home.settle()
    assert (await kept(home, box, message))["result"] == "error"
    assert len(mail_server.got) == 1
    await home.leaves()


async def test_the_engine_in_the_wheel_understands_the_dentist() -> None:
    text = await WorkerTranscriber(TranscriptSettings()).transcribe([SOUNDS / "demo" / "dentist.wav"])
    assert {"hello", "rachel", "doctor", "appointment"} <= set(text.split()), text


async def test_it_listens_to_no_more_than_it_may(tmp_path: Path) -> None:
    path = tmp_path / "engine"
    path.write_text('#!/bin/sh\nstat -c %s "$1"\n')
    path.chmod(0o755)
    settings = TranscriptSettings(engine="command", command=str(path), longest_s=3)
    text = await WorkerTranscriber(settings).transcribe([SOUNDS / "demo" / "dentist.wav"])
    assert int(text) == wav.HEADER_BYTES + 3000 * wav.BYTES_PER_MS


async def test_a_missing_engine_is_told_with_its_remedy() -> None:
    with pytest.raises(NotDelivered, match="needs the folder of a model"):
        await WorkerTranscriber(TranscriptSettings(engine="whisper")).transcribe([])


@pytest.mark.parametrize(("language", "understood"), [("en", True), ("en-GB", True), ("de", False)])
def test_the_english_engine_is_asked_about_english_only(language: str, understood: bool) -> None:
    assert TranscriptSettings().understands(language) is understood
    assert TranscriptSettings(engine="whisper").understands(language)
    assert not TranscriptSettings(engine="off").understands(language)
