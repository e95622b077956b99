"""Leaving a message on a real Asterisk: what is said is what the owner hears."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.asterisk.conftest import AdminClient, PhoneUser, RecognisedCall, level_dbfs, wait_until
from tests.lab.asterisk_config import FIRST_STATUS_EXTENSION, STATUS_PROMPTS
from tests.lab.lab import LabInfo
from tests.lab.processes import SERVICE_UID, SHARED_GID
from tests.lab.sip_phone import Clip
from tests.lab.sip_phone.speech import speech

SPEECH_MS = 3000


def speech_of(person: PhoneUser) -> Clip:
    return Clip("what was said", speech(int(person.number) + 55_000, SPEECH_MS))


async def dial_to_beep(caller: PhoneUser, owner: PhoneUser) -> RecognisedCall:
    call = await caller.dial(owner.number)
    await call.expect("greeting/person-at", *(f"number/{digit}" for digit in owner.number), "greeting/is-not-available")
    await call.press("1")
    await call.expect("tone/beep", whole=True)
    return call


@pytest.mark.parametrize("way", ["hang up", "key and save", "key and hang up"])
async def test_what_a_caller_says_is_what_the_owner_hears(alice: PhoneUser, bob: PhoneUser, way: str) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    words = speech_of(bob)
    call = await dial_to_beep(bob, alice)
    await call.say(words.samples)
    if way != "hang up":
        await call.press("#")
        await call.expect("to/save-recording", "press/1")
    if way == "key and save":
        await call.press("1")
        await call.expect("done/message-left", "done/thank-you")
        await call.wait_for_hangup()
    await call.hang_up()

    await wait_until(alice.messages)
    owner = await alice.dial("*97")
    await owner.expect("number/1", "count/new-message", "message/message", "number/1", words)
    await owner.hang_up()
    [message] = alice.messages()
    assert message["caller"]["number"] == bob.name or message["caller"]["number"]
    cut_by_asterisk_ms = 0 if way == "hang up" else 250  # docs/transports.md#the-end-of-a-recording
    assert -cut_by_asterisk_ms - 100 < message["length_ms"] - SPEECH_MS < 500


async def test_rerecorded_message_keeps_only_last_take(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    first, second = Clip("first", speech(1, 2000)), Clip("second", speech(2, 2000))
    call = await dial_to_beep(bob, alice)
    await call.say(first.samples)
    await call.press("#")
    await call.expect("to/record-again", "press/3")
    await call.press("3")
    await call.expect("tone/beep", whole=True)
    await call.say(second.samples)
    await call.press("#")
    await call.expect("to/save-recording")
    await call.press("1")
    await call.expect("done/message-left")
    await call.wait_for_hangup()
    owner = await alice.dial("*97")
    await owner.expect("number/1", second)
    await owner.hang_up()
    assert len(alice.messages()) == 1


def recording_end_reasons(admin: AdminClient, person: PhoneUser) -> list[str]:
    """Why the recordings of a person's last call ended, as its record says."""
    calls = admin.request("list_calls", channel=f"PJSIP/{person.name}")
    return [step["ended_by"] for call in calls[-1:] for step in call["steps"] if step["what"] == "recorded"]


async def test_silence_ends_a_recording(alice: PhoneUser, bob: PhoneUser, admin: AdminClient) -> None:
    alice.create_user_and_box(silence_hits=2)
    bob.create_user_and_box()
    words = speech_of(bob)
    call = await dial_to_beep(bob, alice)
    await call.say(words.samples)
    await call.expect("to/save-recording")
    await call.press("1")
    await call.expect("done/message-left")
    await call.wait_for_hangup()
    await wait_until(lambda: recording_end_reasons(admin, bob) == ["silence"])
    owner = await alice.dial("*97")
    await owner.expect("count/new-message", words)
    await owner.hang_up()


async def test_max_length_ends_recording(alice: PhoneUser, bob: PhoneUser, admin: AdminClient) -> None:
    """What the dialplan asks for, three seconds, wins over the box's ten."""
    alice.create_user_and_box(max_message_length=10)
    bob.create_user_and_box()
    call = await bob.dial(f"*91{alice.number}")
    await call.expect("greeting/person-at")
    await call.press("#")
    await call.expect("tone/beep", whole=True)
    words = speech(int(bob.number) + 56_000, 5000)
    await call.say(words)
    await call.expect("to/save-recording")
    await call.press("1")
    await call.expect("done/message-left", "done/thank-you")
    await call.wait_for_hangup()
    await wait_until(lambda: recording_end_reasons(admin, bob) == ["length"])
    [message] = alice.messages()
    assert abs(message["length_ms"] - 3000) < 300
    owner = await alice.dial("*97")
    await owner.expect("count/new-message", Clip("the beginning", words[: 8 * 2500]))
    await owner.hang_up()


@pytest.mark.parametrize("key", ["7", "*", "#"])
async def test_any_key_only_ends_recording(alice: PhoneUser, bob: PhoneUser, admin: AdminClient, key: str) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await dial_to_beep(bob, alice)
    await call.say(speech_of(bob).samples)
    await call.press(key)
    await call.expect("to/save-recording", "press/1", "to/listen", "press/2", "to/record-again", "press/3")
    await call.hang_up()
    await wait_until(lambda: recording_end_reasons(admin, bob) == ["key"])


@pytest.mark.long
async def test_caller_reviews_message_and_marks_it_urgent(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    other, words = alice.create_message(age_s=60), speech_of(bob)
    call = await dial_to_beep(bob, alice)
    await call.say(words.samples)
    await call.press("#")
    await call.expect("to/mark-urgent", "press/4")
    await call.press("4")
    await call.expect("done/marked-urgent", "to/save-recording")
    await call.press("2")
    await call.expect(words, "to/mark-normal", "press/4")
    await call.hang_up()
    await wait_until(lambda: len(alice.messages()) == 2)
    owner = await alice.dial("*97")
    await owner.expect("message/urgent-message", "number/1", words)
    await owner.press("6")
    await owner.expect("message/message", "number/2", other)
    await owner.hang_up()


@pytest.mark.long
async def test_four_review_timeouts_save_message(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box(callers_may_mark_urgent=False)
    bob.create_user_and_box()
    call = await dial_to_beep(bob, alice)
    await call.say(speech_of(bob).samples)
    await call.press("#")
    for _ in range(4):
        await call.expect("to/save-recording", "press/3", within_s=20)
    await call.expect("done/message-left", "done/thank-you", within_s=20)
    await call.wait_for_hangup()
    assert len(alice.messages()) == 1


async def test_short_and_silent_recordings_are_announced_and_are_no_messages(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box(silence_hits=1)
    bob.create_user_and_box()
    call = await bob.dial(f"*90{alice.number}")
    await call.expect("greeting/person-at")
    await call.press("#")
    await call.expect("tone/beep", whole=True)
    await call.press("#")
    await call.expect("greeting/too-short", "greeting/leave-a-message")
    await call.expect("tone/beep", whole=True)  # Silence, until Asterisk ends the recording.
    await call.expect(
        "greeting/no-speech", "done/goodbye", f"number/{FIRST_STATUS_EXTENSION + STATUS_PROMPTS.index('NOMESSAGE')}"
    )
    await call.wait_for_hangup()
    assert alice.messages() == []


@pytest.mark.long
@pytest.mark.only_over("fastagi", "menus and prompts are the same over the other transports")
async def test_caller_who_presses_one_leaves_message_and_owner_hears_time_of_24_hours(
    alice: PhoneUser, bob: PhoneUser, stranger: PhoneUser
) -> None:
    alice.create_user_and_box(press_key_to_record=True, clock="24h", timezone="UTC")
    bob.create_user_and_box()
    program = await stranger.dial(f"*90{alice.number}")  # Speaks, and presses nothing.
    await program.expect("to/leave-message", "press/1")
    await program.say(speech_of(stranger).samples)
    words = speech_of(bob)
    call = await bob.dial(alice.number)
    await call.expect("greeting/person-at", "to/leave-message", "press/1")
    await call.press("1")
    await call.expect("tone/beep", whole=True)
    await call.say(words.samples)
    await call.hang_up()
    await program.expect("to/leave-message", "press/1", "to/leave-message", "press/1", within_s=20)
    await program.expect(f"number/{FIRST_STATUS_EXTENSION + STATUS_PROMPTS.index('NOMESSAGE')}", within_s=20)
    await program.wait_for_hangup()
    await wait_until(alice.messages)

    now = datetime.now(UTC)
    at_22_15 = now.replace(hour=22, minute=15, second=30) - timedelta(days=2)
    older = alice.create_message(s=2, age_s=round((now - at_22_15).total_seconds()))
    owner = await alice.dial("*97")
    await owner.expect("number/2", "count/new-messages", "message/message", "number/1", words)
    await owner.press("6")
    await owner.expect(
        "message/message", "number/2", older, "envelope/received", "envelope/at", "number/22", "number/15"
    )
    await owner.hang_up()


async def test_number_without_box_fails(bob: PhoneUser) -> None:
    bob.create_user_and_box()
    call = await bob.dial("1999")
    await call.expect("greeting/no-voicemail")
    await call.wait_for_hangup()


async def test_recordings_belong_to_service_user(alice: PhoneUser, bob: PhoneUser, lab: LabInfo) -> None:
    """Asterisk recorded it as another user; the stored file belongs to the service, and only its group may read it."""
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await dial_to_beep(bob, alice)
    await call.say(speech_of(bob).samples)
    await call.hang_up()
    await wait_until(alice.messages)
    [message] = alice.messages()
    [audio] = message["audio"]
    found = os.stat(audio)
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (SERVICE_UID, SHARED_GID, 0o640)
    folder = Path(audio).parent
    assert folder.name == "vm"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2750
    owners = {int(Path(f"/proc/{pid}").stat().st_uid) for pid in _lab_processes(lab)}
    assert 0 not in owners
    assert len(owners) >= 2


def _lab_processes(lab: LabInfo) -> list[int]:
    """Asterisk and the service of this lab: what has its folder on its command line or in its environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if lab.folder.encode() in line and (b"ivr\0serve" in line or b"asterisk\0-g\0-f" in line):
            found.append(int(entry.name))
    return found


async def test_beep_is_heard_but_not_recorded(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await dial_to_beep(bob, alice)
    await call.say(speech(9, 1500))
    await call.hang_up()
    await wait_until(alice.messages)
    [message] = alice.messages()
    import wave

    import numpy as np

    with wave.open(message["audio"][0]) as file:
        samples = np.frombuffer(file.readframes(800), "<i2")
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() * 10 not in range(420, 461) or level_dbfs(samples) < -40
