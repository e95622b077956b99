"""Replaced audio: when the process is killed between any two steps, the message has its old or its new audio, whole."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from ivr.audio.formats import AudioFormat, by_content_type
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.uploads import ConvertedUpload, MessageMetadata
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.retention.rules import REPLACED_AUDIO_GRACE_S
from ivr.storage.records import MediaKind, Message
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import Meanwhile, Press, ScriptStep

STEPS = ["link", "replace", "fsync"]
"""Functions of `os` that count as a step; `Path.unlink` and each database write count too."""


class Killed(BaseException):
    """The process is killed: nothing after it is executed."""


class CrashInjector:
    """Kills the process before its `step`-th step, if there are so many."""

    def __init__(self, app: AppFixture, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
        self._steps_left = step
        self.is_over = False
        for name in STEPS:
            monkeypatch.setattr(os, name, self._counting(getattr(os, name)))
        monkeypatch.setattr(Path, "unlink", self._counting(Path.unlink))
        write = app.container.database.write

        async def counted(transaction: Any, **options: Any) -> Any:
            self._count_step()
            return await write(transaction, **options)

        monkeypatch.setattr(app.container.database, "write", counted)

    def _counting(self, function: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object, **options: object) -> object:
            self._count_step()
            return function(*args, **options)

        return counted

    def _count_step(self) -> None:
        self._steps_left -= 1
        self.is_over |= self._steps_left == 0
        if self.is_over:
            raise Killed


def converted_upload(app: AppFixture, ms: int, content: bytes) -> ConvertedUpload:
    """An upload of `ms` milliseconds that has been converted."""
    upload = app.container.recordings.incoming_folder / f"{ms:032x}"
    upload.write_bytes(content)
    recording = upload.with_suffix(".wav")
    wav.write(recording, b"\x01\x02" * (8 * ms))
    audio_format = by_content_type("audio/mpeg")
    assert isinstance(audio_format, AudioFormat)
    return ConvertedUpload(upload, recording, audio_format, ms)


async def message_with_audio(app: AppFixture, box: Mailbox, initial_audio: str) -> Message:
    """A message of 2 s, in one of the states in which its audio may be replaced."""
    uploads = app.container.api_services.audio.uploads
    if initial_audio == "nothing":
        return await uploads.add(box, MessageMetadata(), None)
    if initial_audio == "uploaded":
        return await uploads.add(box, MessageMetadata(), converted_upload(app, 2000, b"old"))
    message = await app.create_message(box, s=2)
    if initial_audio == "replaced":
        return await uploads.replace_audio(message, converted_upload(app, 2000, b"old"))
    if initial_audio == "an intro":
        intro = await app.create_recording(box, MediaKind.NAME, s=1)
        sql = "UPDATE messages SET intro_id = ?, intro_ms = 1000, length_ms = 3000"
        await app.container.database.write(lambda c: c.execute(sql, (intro,)).rowcount)
        await app.container.database.write(lambda c: c.execute("DELETE FROM media").rowcount)
        message = await app.container.messages.get(box.id, message.id, 0)
    return message


INITIAL_AUDIO = ["nothing", "recorded", "uploaded", "replaced", "an intro"]


def files_of_message(app: AppFixture, message: Message) -> set[Path]:
    """The files that belong to the row of a message."""
    if not message.has_audio:
        return set()
    upload = app.container.api_services.audio.uploads.original_upload(message)
    return {*app.container.delivery.audio_paths(message), *([upload] if upload else [])}


def recording_files(app: AppFixture) -> set[Path]:
    folder = app.settings.data.folder
    return {path for path in (folder / app.account.id).rglob("*") if path.is_file()}


@pytest.mark.parametrize("initial_audio", INITIAL_AUDIO)
async def test_audio_replacement_killed_at_any_step_is_atomic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, initial_audio: str
) -> None:
    """Length, audio, upload and used bytes are consistent; all other files are removed later."""
    outcomes = []
    for step in count(1):
        first = AppFixture(tmp_path / str(step))
        first.clock.advance(s=time.time() - first.clock.now())
        await first.open()
        box = await first.create_box()
        before = await message_with_audio(first, box, initial_audio)
        audio = converted_upload(first, 5000, b"new")
        injector = CrashInjector(first, monkeypatch, step)
        with suppress(Killed):
            await first.container.api_services.audio.uploads.replace_audio(before, audio)
        monkeypatch.undo()
        first.container.close()

        second = AppFixture(tmp_path / str(step))
        second.clock.advance(s=first.clock.now() - second.clock.now())
        second.account = first.account
        after = await second.container.messages.get(box.id, before.id, 0)
        outcomes.append("new" if after.length_ms == 5000 else "old")
        _assert_consistent(second, before if outcomes[-1] == "old" else after, after)
        assert await second.container.messages.used_bytes(box.id) == after.bytes
        second.clock.advance(s=8 * DAY_S)
        while await second.container.retention_worker.run_once():
            pass
        assert recording_files(second) == files_of_message(second, after), f"killed at step {step}"
        second.close()
        if not injector.is_over:
            break
    assert outcomes[0] == "old"
    assert outcomes[-1] == "new"
    assert outcomes == sorted(outcomes, reverse=True), "once the new audio is stored, it stays"
    assert len(outcomes) > 4


def _assert_consistent(app: AppFixture, expected: Message, after: Message) -> None:
    assert replace(after, revision=expected.revision) == expected
    if not after.has_audio:
        return
    *intro, audio = app.container.delivery.audio_paths(after)
    assert wav.length_ms(audio) == after.length_ms - after.intro_ms
    assert [wav.length_ms(path) for path in intro] == ([1000] if after.intro_id else [])
    upload = app.container.api_services.audio.uploads.original_upload(after)
    if upload:
        assert upload.read_bytes() == (b"new" if after.length_ms == 5000 else b"old")
        assert after.bytes == audio.stat().st_size + 3


async def test_listener_hears_old_audio_to_its_end(app: AppFixture) -> None:
    """Also when it is replayed with 2. The old files are removed an hour later."""
    box = await app.create_box("1000", app.alice)
    message = await message_with_audio(app, box, "uploaded")
    old = files_of_message(app, message)

    async def replace_the_audio() -> None:
        await app.container.api_services.audio.uploads.replace_audio(message, converted_upload(app, 5000, b"new"))
        await app.container.retention_worker.run_once()

    message_text = f"(message {message.id})"
    steps: list[ScriptStep] = [
        Meanwhile(message_text, replace_the_audio),
        Press("2", during="To save"),
        Press("7", during="To save"),
    ]
    phone = await app.run_call(steps, endpoint="alice", number="1000")
    assert [heard.to_ms for heard in phone.heard_sounds if heard.text == message_text] == [2000, 2000]
    assert all(path.exists() for path in old)
    app.clock.advance(s=REPLACED_AUDIO_GRACE_S + 1)
    await app.container.retention_worker.run_once()
    assert not any(path.exists() for path in old)
    after = await app.container.messages.get(box.id, message.id, 0)
    assert recording_files(app) == files_of_message(app, after)


async def test_concurrent_replacements_leave_one_complete_audio(app: AppFixture) -> None:
    box = await app.create_box()
    message = await message_with_audio(app, box, "uploaded")
    uploads = [converted_upload(app, ms, str(ms).encode()) for ms in (3000, 4000)]
    await asyncio.gather(
        *(app.container.api_services.audio.uploads.replace_audio(message, upload) for upload in uploads)
    )
    after = await app.container.messages.get(box.id, message.id, 0)
    [audio] = app.container.delivery.audio_paths(after)
    upload = app.container.api_services.audio.uploads.original_upload(after)
    assert wav.length_ms(audio) == after.length_ms
    assert upload
    assert upload.read_bytes() == str(after.length_ms).encode()
    app.clock.advance(s=REPLACED_AUDIO_GRACE_S + 1)
    await app.container.retention_worker.run_once()
    assert recording_files(app) == files_of_message(app, after)


async def test_replaced_audio_leaves_no_trace(app: AppFixture) -> None:
    """There is no tombstone either, because the message still exists."""
    box = await app.create_box()
    message = await message_with_audio(app, box, "an intro")
    await app.container.api_services.audio.uploads.replace_audio(message, converted_upload(app, 5000, b"new"))
    app.clock.advance(s=REPLACED_AUDIO_GRACE_S + 1)
    await app.container.retention_worker.run_once()
    rows = await app.container.database.read(lambda c: c.execute("SELECT * FROM tombstones").fetchall())
    assert rows == []
    assert [path.suffix for path in recording_files(app) if path.parent.name == "media"] == []


@pytest.mark.parametrize("kind", ["a message", "a greeting"])
async def test_upload_killed_at_any_step_is_stored_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    outcomes = []
    for step in count(1):
        first = AppFixture(tmp_path / str(step))
        first.clock.advance(s=time.time() - first.clock.now())
        await first.open()
        box = await first.activate_recordings(await first.create_box(), MediaKind.UNAVAILABLE)
        audio = converted_upload(first, 5000, b"new")
        injector = CrashInjector(first, monkeypatch, step)
        with suppress(Killed):
            if kind == "a message":
                await first.container.api_services.audio.uploads.add(box, MessageMetadata(), audio)
            else:
                await first.container.api_services.audio.greeting_uploads.activate(box, MediaKind.UNAVAILABLE, audio)
        monkeypatch.undo()
        first.container.close()

        second = AppFixture(tmp_path / str(step))
        second.clock.advance(s=first.clock.now() - second.clock.now())
        second.account = first.account
        box = await second.container.boxes.get(box.id)
        greeting = await second.container.api_services.audio.greeting_uploads.find(box, MediaKind.UNAVAILABLE)
        assert wav.length_ms(greeting.recording) == greeting.media.length_ms
        if greeting.upload:
            assert greeting.upload.read_bytes() == b"new"
        messages = await second.messages(box)
        for message in messages:
            _assert_consistent(second, message, message)
        outcomes.append(bool(messages or greeting.upload))
        second.clock.advance(s=8 * DAY_S)
        while await second.container.retention_worker.run_once():
            pass
        expected = {path for message in messages for path in files_of_message(second, message)}
        expected |= {greeting.recording, *([greeting.upload] if greeting.upload else [])}
        assert recording_files(second) == expected, f"killed at step {step}"
        second.close()
        if not injector.is_over:
            break
    assert not outcomes[0]
    assert outcomes[-1]
    assert len(outcomes) > 4
