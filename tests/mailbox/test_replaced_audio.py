"""Audio that comes for a message that is there: killed between any two steps, the message is whole, old or new."""

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
from ivr.audio.formats import AudioFormat, of_content_type
from ivr.call.scripted import Meanwhile, Press, Step
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Message
from ivr.mailbox.store import MediaKind
from ivr.mailbox.sweeping.rules import HEARD_OUT_S
from ivr.mailbox.system import DAY_S
from ivr.mailbox.uploads import Brought, Particulars
from tests.support.house import House

STEPS = ["link", "replace", "fsync"]
"""What is done to files, besides taking them away; to the database, each write."""


class Killed(BaseException):
    """The service is gone: whatever comes after never happens."""


class Life:
    """The service dies in front of its `step`-th deed, if it comes so far."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
        self._left = step
        self.is_over = False
        for name in STEPS:
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))
        monkeypatch.setattr(Path, "unlink", self._counted(Path.unlink))
        write = house.app.database.write

        async def counted(verb: Any) -> Any:
            self._next()
            return await write(verb)

        monkeypatch.setattr(house.app.database, "write", counted)

    def _counted(self, deed: Callable[..., object]) -> Callable[..., object]:
        def counted(*what: object, **how: object) -> object:
            self._next()
            return deed(*what, **how)

        return counted

    def _next(self) -> None:
        self._left -= 1
        self.is_over |= self._left == 0
        if self.is_over:
            raise Killed


def brought(house: House, ms: int, kept: bytes) -> Brought:
    """Audio that has been received and found good."""
    upload = house.app.recordings.incoming / f"{ms:032x}"
    upload.write_bytes(kept)
    recording = upload.with_suffix(".wav")
    wav.write(recording, b"\x01\x02" * (8 * ms))
    form = of_content_type("audio/mpeg")
    assert isinstance(form, AudioFormat)
    return Brought(upload, recording, form, ms)


async def with_audio(house: House, box: Mailbox, had: str) -> Message:
    """A message as it may be when other audio comes for it, of 2 s."""
    uploads = house.app.rest.uploads
    if had == "nothing":
        return await uploads.add(box, Particulars(), None)
    if had == "what was uploaded":
        return await uploads.add(box, Particulars(), brought(house, 2000, b"old"))
    message = await house.message(box, s=2)
    if had == "what replaced something":
        return await uploads.replace(message, brought(house, 2000, b"old"))
    if had == "an intro":
        intro = await house.recording(box, MediaKind.NAME, s=1)
        sql = "UPDATE messages SET intro_id = ?, intro_ms = 1000, length_ms = 3000"
        await house.app.database.write(lambda c: c.execute(sql, (intro,)).rowcount)
        await house.app.database.write(lambda c: c.execute("DELETE FROM media").rowcount)
        message = await house.app.messages.get(box.id, message.id, 0)
    return message


HAD = ["nothing", "what a caller said", "what was uploaded", "what replaced something", "an intro"]


def files_of(house: House, message: Message) -> set[Path]:
    """Those that its row speaks of."""
    if not message.has_audio:
        return set()
    upload = house.app.rest.uploads.kept(message)
    return {*house.app.delivery.audio(message), *([upload] if upload else [])}


def recordings_in(house: House) -> set[Path]:
    folder = house.settings.data.folder
    return {path for path in (folder / house.account.id).rglob("*") if path.is_file()}


@pytest.mark.parametrize("had", HAD)
async def test_killed_between_any_two_steps_it_is_as_it_was_or_as_it_was_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, had: str
) -> None:
    """Length, audio, what was uploaded and the bytes that count belong together; what else lies there goes."""
    ended = []
    for step in count(1):
        first = House(tmp_path / str(step))
        first.clock._now = time.time()
        await first.open()
        box = await first.box()
        before = await with_audio(first, box, had)
        audio = brought(first, 5000, b"new")
        life = Life(first, monkeypatch, step)
        with suppress(Killed):
            await first.app.rest.uploads.replace(before, audio)
        monkeypatch.undo()
        first.app.close()

        second = House(tmp_path / str(step))
        second.clock._now = first.clock._now
        second.account = first.account
        after = await second.app.messages.get(box.id, before.id, 0)
        ended.append("new" if after.length_ms == 5000 else "old")
        _is_whole(second, before if ended[-1] == "old" else after, after)
        assert await second.app.messages.bytes(box.id) == after.bytes
        second.clock.advance(s=8 * DAY_S)
        while await second.app.sweeper.turn():
            pass
        assert recordings_in(second) == files_of(second, after), f"killed at step {step}"
        second.close()
        if not life.is_over:
            break
    assert ended[0] == "old"
    assert ended[-1] == "new"
    assert ended == sorted(ended, reverse=True), "from one moment on it is the new one"
    assert len(ended) > 4


def _is_whole(house: House, expected: Message, after: Message) -> None:
    assert replace(after, revision=expected.revision) == expected
    if not after.has_audio:
        return
    *intro, audio = house.app.delivery.audio(after)
    assert wav.length_ms(audio) == after.length_ms - after.intro_ms
    assert [wav.length_ms(path) for path in intro] == ([1000] if after.intro_id else [])
    upload = house.app.rest.uploads.kept(after)
    if upload:
        assert upload.read_bytes() == (b"new" if after.length_ms == 5000 else b"old")
        assert after.bytes == audio.stat().st_size + 3


async def test_who_is_hearing_it_hears_to_the_end_what_they_began_to_hear(house: House) -> None:
    """And again, by 2; an hour later nobody can be at it any more."""
    box = await house.box("1000", house.alice)
    message = await with_audio(house, box, "what was uploaded")
    old = files_of(house, message)

    async def other_audio_comes() -> None:
        await house.app.rest.uploads.replace(message, brought(house, 5000, b"new"))
        await house.app.sweeper.turn()

    said = f"(message {message.id})"
    steps: list[Step] = [Meanwhile(said, other_audio_comes), Press("2", during="To save"), Press("7", during="To save")]
    phone = await house.call(steps, endpoint="alice", number="1000")
    assert [heard.to_ms for heard in phone.heard if heard.text == said] == [2000, 2000]
    assert all(path.exists() for path in old)
    house.clock.advance(s=HEARD_OUT_S + 1)
    await house.app.sweeper.turn()
    assert not any(path.exists() for path in old)
    after = await house.app.messages.get(box.id, message.id, 0)
    assert recordings_in(house) == files_of(house, after)


async def test_of_two_that_come_at_once_one_is_there_whole_and_the_other_goes(house: House) -> None:

    box = await house.box()
    message = await with_audio(house, box, "what was uploaded")
    both = [brought(house, ms, str(ms).encode()) for ms in (3000, 4000)]
    await asyncio.gather(*(house.app.rest.uploads.replace(message, one) for one in both))
    after = await house.app.messages.get(box.id, message.id, 0)
    [audio] = house.app.delivery.audio(after)
    upload = house.app.rest.uploads.kept(after)
    assert wav.length_ms(audio) == after.length_ms
    assert upload
    assert upload.read_bytes() == str(after.length_ms).encode()
    house.clock.advance(s=HEARD_OUT_S + 1)
    await house.app.sweeper.turn()
    assert recordings_in(house) == files_of(house, after)


async def test_nothing_stays_of_it_but_the_message(house: House) -> None:
    """No tombstone either: the message is not gone."""
    box = await house.box()
    message = await with_audio(house, box, "an intro")
    await house.app.rest.uploads.replace(message, brought(house, 5000, b"new"))
    house.clock.advance(s=HEARD_OUT_S + 1)
    await house.app.sweeper.turn()
    rows = await house.app.database.read(lambda c: c.execute("SELECT * FROM tombstones").fetchall())
    assert rows == []
    assert [path.suffix for path in recordings_in(house) if path.parent.name == "media"] == []


@pytest.mark.parametrize("what", ["a message", "a greeting"])
async def test_an_upload_that_is_killed_between_any_two_steps_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    came = []
    for step in count(1):
        first = House(tmp_path / str(step))
        first.clock._now = time.time()
        await first.open()
        box = await first.uses(await first.box(), MediaKind.UNAVAILABLE)
        audio = brought(first, 5000, b"new")
        life = Life(first, monkeypatch, step)
        with suppress(Killed):
            if what == "a message":
                await first.app.rest.uploads.add(box, Particulars(), audio)
            else:
                await first.app.rest.greetings.use(box, MediaKind.UNAVAILABLE, audio)
        monkeypatch.undo()
        first.app.close()

        second = House(tmp_path / str(step))
        second.clock._now = first.clock._now
        second.account = first.account
        box = await second.app.boxes.get(box.id)
        greeting = await second.app.rest.greetings.find(box, MediaKind.UNAVAILABLE)
        assert wav.length_ms(greeting.recording) == greeting.media.length_ms
        if greeting.upload:
            assert greeting.upload.read_bytes() == b"new"
        messages = await second.messages(box)
        for message in messages:
            _is_whole(second, message, message)
        came.append(bool(messages or greeting.upload))
        second.clock.advance(s=8 * DAY_S)
        while await second.app.sweeper.turn():
            pass
        expected = {path for message in messages for path in files_of(second, message)}
        expected |= {greeting.recording, *([greeting.upload] if greeting.upload else [])}
        assert recordings_in(second) == expected, f"killed at step {step}"
        second.close()
        if not life.is_over:
            break
    assert not came[0]
    assert came[-1]
    assert len(came) > 4
