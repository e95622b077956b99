"""Leaving a message on a real Asterisk: what is said is what the owner hears."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.asterisk.conftest import Conversation, Desk, Person, eventually, level_dbfs
from tests.asterisk.rig.config import ENDINGS, ENDINGS_FROM
from tests.asterisk.rig.lab import Notes
from tests.asterisk.rig.processes import SERVICE_UID, SHARED_GID
from tests.sipphone import Clip
from tests.sipphone.speech import speech

SAID_MS = 3000


def said_by(person: Person) -> Clip:
    return Clip("what was said", speech(int(person.number) + 55_000, SAID_MS))


async def to_the_beep(caller: Person, owner: Person) -> Conversation:
    call = await caller.dials(owner.number)
    await call.hears("greeting/person-at", *(f"number/{digit}" for digit in owner.number), "greeting/is-not-available")
    await call.press("1")
    await call.hears("tone/beep", whole=True)
    return call


@pytest.mark.parametrize("way", ["hang up", "key and save", "key and hang up"])
async def test_what_a_caller_says_is_what_the_owner_hears(alice: Person, bob: Person, way: str) -> None:
    alice.moves_in()
    bob.moves_in()
    words = said_by(bob)
    call = await to_the_beep(bob, alice)
    await call.says(words.samples)
    if way != "hang up":
        await call.press("#")
        await call.hears("to/save-recording", "press/1")
    if way == "key and save":
        await call.press("1")
        await call.hears("done/message-left", "done/thank-you")
        await call.ends()
    await call.hang_up()

    await eventually(alice.messages)
    owner = await alice.dials("*97")
    await owner.hears("number/1", "count/new-message", "message/message", "number/1", words)
    await owner.hang_up()
    [message] = alice.messages()
    assert message["caller"]["number"] == bob.name or message["caller"]["number"]
    assert abs(message["length_ms"] - SAID_MS) < 500


async def test_recorded_again_only_the_last_counts(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    first, second = Clip("first", speech(1, 2000)), Clip("second", speech(2, 2000))
    call = await to_the_beep(bob, alice)
    await call.says(first.samples)
    await call.press("#")
    await call.hears("to/record-again", "press/3")
    await call.press("3")
    await call.hears("tone/beep", whole=True)
    await call.says(second.samples)
    await call.press("#")
    await call.hears("to/save-recording")
    await call.press("1")
    await call.hears("done/message-left")
    await call.ends()
    owner = await alice.dials("*97")
    await owner.hears("number/1", second)
    await owner.hang_up()
    assert len(alice.messages()) == 1


def how_it_ended(desk: Desk, person: Person) -> list[str]:
    """Why the recordings of a person's last call ended, as its record says."""
    calls = desk.ask("calls", channel=f"PJSIP/{person.name}")
    return [step["ended_by"] for call in calls[-1:] for step in call["steps"] if step["what"] == "recorded"]


async def test_silence_ends_a_recording(alice: Person, bob: Person, desk: Desk) -> None:
    alice.moves_in(silence_hits=2)
    bob.moves_in()
    words = said_by(bob)
    call = await to_the_beep(bob, alice)
    await call.says(words.samples)
    await call.hears("to/save-recording")
    await call.press("1")
    await call.hears("done/message-left")
    await call.ends()
    await eventually(lambda: how_it_ended(desk, bob) == ["silence"])
    owner = await alice.dials("*97")
    await owner.hears("count/new-message", words)
    await owner.hang_up()


async def test_the_longest_length_ends_a_recording(alice: Person, bob: Person, desk: Desk) -> None:
    """What the dialplan asks for, three seconds, wins over the box's ten."""
    alice.moves_in(max_message_length=10)
    bob.moves_in()
    call = await bob.dials(f"*91{alice.number}")
    await call.hears("greeting/person-at")
    await call.press("#")
    await call.hears("tone/beep", whole=True)
    words = speech(int(bob.number) + 56_000, 5000)
    await call.says(words)
    await call.hears("to/save-recording")
    await call.press("1")
    await call.hears("done/message-left", "done/thank-you")
    await call.ends()
    await eventually(lambda: how_it_ended(desk, bob) == ["length"])
    [message] = alice.messages()
    assert abs(message["length_ms"] - 3000) < 300
    owner = await alice.dials("*97")
    await owner.hears("count/new-message", Clip("the beginning", words[: 8 * 2500]))
    await owner.hang_up()


@pytest.mark.parametrize("key", ["7", "*", "#"])
async def test_any_key_ends_a_recording_and_means_nothing_else(
    alice: Person, bob: Person, desk: Desk, key: str
) -> None:
    alice.moves_in()
    bob.moves_in()
    call = await to_the_beep(bob, alice)
    await call.says(said_by(bob).samples)
    await call.press(key)
    await call.hears("to/save-recording", "press/1", "to/listen", "press/2", "to/record-again", "press/3")
    await call.hang_up()
    await eventually(lambda: how_it_ended(desk, bob) == ["key"])


async def test_a_caller_listens_to_it_and_marks_it_urgent(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    other, words = alice.has_message(age_s=60), said_by(bob)
    call = await to_the_beep(bob, alice)
    await call.says(words.samples)
    await call.press("#")
    await call.hears("to/mark-urgent", "press/4")
    await call.press("4")
    await call.hears("done/marked-urgent", "to/save-recording")
    await call.press("2")
    await call.hears(words, "to/mark-normal", "press/4")
    await call.hang_up()
    await eventually(lambda: len(alice.messages()) == 2)
    owner = await alice.dials("*97")
    await owner.hears("message/urgent-message", "number/1", words)
    await owner.press("6")
    await owner.hears("message/message", "number/2", other)
    await owner.hang_up()


async def test_four_silent_rounds_of_the_review_keep_it(alice: Person, bob: Person) -> None:
    alice.moves_in(callers_may_mark_urgent=False)
    bob.moves_in()
    call = await to_the_beep(bob, alice)
    await call.says(said_by(bob).samples)
    await call.press("#")
    for _ in range(4):
        await call.hears("to/save-recording", "press/3", within_s=20)
    await call.hears("done/message-left", "done/thank-you", within_s=20)
    await call.ends()
    assert len(alice.messages()) == 1


async def test_too_short_is_said(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    call = await bob.dials(f"*90{alice.number}")
    await call.hears("greeting/person-at")
    await call.press("#")
    await call.hears("tone/beep", whole=True)
    await call.press("#")
    await call.hears("greeting/too-short", "done/goodbye", f"number/{ENDINGS_FROM + ENDINGS.index('NOMESSAGE')}")
    await call.ends()
    assert alice.messages() == []


async def test_a_number_without_a_box(bob: Person) -> None:
    bob.moves_in()
    call = await bob.dials("1999")
    await call.hears("greeting/no-voicemail")
    await call.ends()


async def test_recordings_are_the_services_and_nobody_elses(alice: Person, bob: Person, notes: Notes) -> None:
    """Asterisk recorded it as another user; what is kept is ours, for our group to read, and for nobody else."""
    alice.moves_in()
    bob.moves_in()
    call = await to_the_beep(bob, alice)
    await call.says(said_by(bob).samples)
    await call.hang_up()
    await eventually(alice.messages)
    [message] = alice.messages()
    [audio] = message["audio"]
    found = os.stat(audio)
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (SERVICE_UID, SHARED_GID, 0o640)
    folder = Path(audio).parent
    assert folder.name == "vm"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2750
    owners = {int(Path(f"/proc/{pid}").stat().st_uid) for pid in _processes_of(notes)}
    assert 0 not in owners
    assert len(owners) >= 2


def _processes_of(notes: Notes) -> list[int]:
    """Asterisk and the service of this lab: what has its folder on its command line or in its environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if notes.folder.encode() in line and (b"ivr\0serve" in line or b"asterisk\0-f" in line):
            found.append(int(entry.name))
    return found


async def test_the_beep_is_heard_and_not_recorded(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    call = await to_the_beep(bob, alice)
    await call.says(speech(9, 1500))
    await call.hang_up()
    await eventually(alice.messages)
    [message] = alice.messages()
    import wave

    import numpy as np

    with wave.open(message["audio"][0]) as file:
        samples = np.frombuffer(file.readframes(800), "<i2")
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() * 10 not in range(420, 461) or level_dbfs(samples) < -40
