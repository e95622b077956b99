"""A process for each call on a real Asterisk: who signs in, listens and leaves messages, and who kills it meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.asterisk.conftest import PhoneUser, wait_until
from tests.asterisk.played_ranges import played_ranges
from tests.asterisk.test_fallback_recordings import contains_speech, read_recording
from tests.asterisk.test_leave_message import dial_to_beep, speech_of
from tests.lab.sip_phone import Clip

pytestmark = pytest.mark.only_over("agi", "there is a process for each call over classic AGI only")
SPOKEN_MS = 2500


def agi_process_for(number: str) -> int | None:
    """The program of the call for a box: its command line says which."""
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if f"number={number}".encode() in words and any(word.endswith(b"/ivr-agi") for word in words):
            return int(entry.name)
    return None


async def test_an_owner_signs_in_listens_goes_on_and_deletes(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box(pin="1379", seek_duration_ms=3000)
    bob.create_user_and_box()
    message = alice.create_message(s=14)
    call = await bob.dial(f"*98{alice.number}")
    await call.expect("login/enter-pin")
    await call.press("1379#")
    await call.expect("count/you-have", "number/1", "count/new-message", "to/hear-new")
    await call.press("1")
    await call.expect("message/message", "number/1", message)
    await call.press("8")
    await call.expect(Clip("three seconds on", message.samples[8 * 5500 :]))
    await call.press("7")
    await call.expect("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"
    first, second = played_ranges(call.call, message.samples)[:2]
    assert abs(second.began_ms - first.ended_ms - 3000) <= 40


async def test_agi_process_lives_as_long_as_its_call(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await dial_to_beep(bob, alice)
    assert agi_process_for(alice.number)
    await call.say(speech_of(bob).samples)
    await call.hang_up()
    await wait_until(alice.messages)
    await wait_until(lambda: agi_process_for(alice.number) is None, within_s=20)
    [message] = alice.messages()
    assert contains_speech(
        read_recording(Path(message["audio"][0])), Clip("said", speech_of(bob).samples[: 8 * SPOKEN_MS])
    )


async def test_agi_process_killed_while_recording_loses_nothing(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    words = speech_of(bob)
    call = await dial_to_beep(bob, alice)
    process = agi_process_for(alice.number)
    assert process
    os.kill(process, signal.SIGKILL)
    await call.say(words.samples)
    assert alice.messages() == [], "Asterisk is still recording"
    await call.hang_up()
    await wait_until(alice.messages, within_s=20)
    [message] = alice.messages()
    assert contains_speech(read_recording(Path(message["audio"][0])), Clip("said", words.samples[: 8 * SPOKEN_MS]))


async def test_agi_process_killed_during_greeting_dialplan_records_fallback(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    words = speech_of(bob)
    call = await bob.dial(alice.number)
    await call.expect("greeting/person-at")
    process = agi_process_for(alice.number)
    assert process
    os.kill(process, signal.SIGKILL)
    await call.expect("greeting/person-at", within_s=20)
    await call.press("1")
    await call.expect("tone/beep", whole=True)
    await call.say(words.samples)
    await call.hang_up()
    await wait_until(alice.messages, within_s=20)
    [message] = alice.messages()
    assert contains_speech(read_recording(Path(message["audio"][0])), Clip("said", words.samples[: 8 * SPOKEN_MS]))
