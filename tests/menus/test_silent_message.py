"""Recordings without speech are no messages: what the caller hears, and what the owner finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.audio import wav
from ivr.mailbox.takes import TakeSource
from ivr.prompts import clip_file
from ivr.storage.records import Caller, RecordingPurpose
from tests.menus.test_leave_message import BEEP, GREETING, INSTRUCTIONS, REVIEW, SAVED, leave_message
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import Press, Speak
from tests.support.speech import speech_pcm

NOT_HEARD = "I did not hear a message."
QUIET = Speak(5000, "silence", pcm=wav.silence(5000))
SHORT_WORD = clip_file.read_samples(Path(__file__).parents[2] / "sounds" / "en" / "number" / "1.ulaw")


@pytest.mark.parametrize("pcm", [wav.silence(1000), b"\x20\x00\xe0\xff" * 8000])
async def test_silence_before_hangup_is_no_message(app: AppFixture, pcm: bytes) -> None:
    box = await app.create_box("1000")
    phone = await leave_message(app, Speak(1000, "hang-up", pcm=pcm))
    assert (phone.texts, phone.status) == ([GREETING, INSTRUCTIONS, BEEP], "HANGUP")
    assert await app.messages(box) == []
    kinds = await app.container.database.read(lambda c: c.execute("SELECT kind FROM outbox").fetchall())
    assert kinds == []  # Neither mail nor light.
    assert list(app.container.recordings.takes_folder.iterdir()) == []
    assert [step.details for step in phone.journal.entries if step.event == "recording discarded"] == [
        {"reason": "contains no speech"}
    ]


async def test_silent_caller_is_told_and_may_speak(app: AppFixture) -> None:
    box = await app.create_box("1000")
    phone = await leave_message(app, QUIET, Speak(2000), Press("1", during=REVIEW))
    assert phone.texts[3:] == [f"{NOT_HEARD} {INSTRUCTIONS}", BEEP, REVIEW, SAVED]
    assert [message.length_ms for message in await app.messages(box)] == [2000]


async def test_call_ends_after_second_silence(app: AppFixture) -> None:
    box = await app.create_box("1000")
    phone = await leave_message(app, QUIET, QUIET)
    assert phone.texts[5:] == [f"{NOT_HEARD} Goodbye."]
    assert (phone.status, await app.messages(box)) == ("NOMESSAGE", [])


async def test_silence_recorded_again_leads_back_to_first_recording(app: AppFixture) -> None:
    box = await app.create_box("1000")
    phone = await leave_message(app, Speak(3000), Press("3", during=REVIEW), QUIET, Press("1", during=REVIEW))
    assert phone.texts[-3:] == [NOT_HEARD, REVIEW, SAVED]
    assert [message.length_ms for message in await app.messages(box)] == [3000]


async def test_short_word_is_message(app: AppFixture) -> None:
    box = await app.create_box("1000")
    await leave_message(app, Speak(700, "hang-up", pcm=wav.silence(300) + SHORT_WORD))
    assert len(await app.messages(box)) == 1


@pytest.mark.parametrize(("own", "account", "count"), [(0, 100, 1), (None, 0, 1), (None, 100, 0), (100, 0, 0)])
async def test_check_is_set_by_mailbox_then_account(app: AppFixture, own: int | None, account: int, count: int) -> None:
    changed = app.account.model_copy(update={"settings": {"min_speech_ms": account}})
    await app.container.directory.update_account(changed)
    box = await app.create_box("1000", min_speech_ms=own)
    await leave_message(app, Speak(1000, "hang-up", pcm=wav.silence(1000)))
    assert len(await app.messages(box)) == count


async def test_silent_take_of_crashed_call_is_no_message_and_silent_greeting_waits(app: AppFixture) -> None:
    box = await app.create_box("1000")
    container = app.container
    source = TakeSource("PJSIP/x-1", "1.1", Caller("2001"))
    for purpose, pcm in (
        (RecordingPurpose.MESSAGE, wav.silence(3000)),
        (RecordingPurpose.MESSAGE, speech_pcm(2000)),
        (RecordingPurpose.GREETING, wav.silence(3000)),
    ):
        take = await container.voicemail_services.takes.begin(box.account_id, box.id, purpose, source)
        wav.write(Path(take.path), pcm)
    container.voicemail_services.takes.release(source.channel, source.call_id)
    wav.write(container.recordings.takes_folder / "fallback-demo-1000-2001-1462881600-2.wav", wav.silence(3000))
    for _ in range(3):
        await container.recording_recovery.run_once()
        app.clock.advance(s=5)
    assert [message.length_ms for message in await app.messages(box)] == [2000]
    waiting = await container.voicemail_services.takes.list_awaiting_owner(box.id)
    assert [take.purpose for take in waiting] == [RecordingPurpose.GREETING]
    assert not list(container.recordings.takes_folder.glob("fallback-*"))
