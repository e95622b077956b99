"""A process for each call on a real Asterisk: who signs in, listens and leaves messages, and who kills it meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.asterisk.conftest import Person, eventually
from tests.asterisk.hearing import stretches
from tests.asterisk.test_alone import holds, recorded
from tests.asterisk.test_leaving import said_by, to_the_beep
from tests.sipphone import Clip

pytestmark = pytest.mark.only_over("agi", "there is a process for each call over classic AGI only")
SPOKEN_MS = 2500


def process_of(number: str) -> int | None:
    """The program of the call for a box: its command line says which."""
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if f"number={number}".encode() in words and any(word.endswith(b"/ivr-agi") for word in words):
            return int(entry.name)
    return None


async def test_an_owner_signs_in_listens_goes_on_and_deletes(alice: Person, bob: Person) -> None:
    alice.moves_in(pin="1379", seek_duration_ms=3000)
    bob.moves_in()
    message = alice.has_message(s=14)
    call = await bob.dials(f"*98{alice.number}")
    await call.hears("login/enter-pin")
    await call.press("1379#")
    await call.hears("count/you-have", "number/1", "count/new-message", "to/hear-new")
    await call.press("1")
    await call.hears("message/message", "number/1", message)
    await call.press("8")
    await call.hears(Clip("three seconds on", message.samples[8 * 5500 :]))
    await call.press("7")
    await call.hears("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"
    first, second = stretches(call.call, message.samples)[:2]
    assert abs(second.began_ms - first.ended_ms - 3000) <= 40


async def test_its_process_is_there_while_the_call_is(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    call = await to_the_beep(bob, alice)
    assert process_of(alice.number)
    await call.says(said_by(bob).samples)
    await call.hang_up()
    await eventually(alice.messages)
    await eventually(lambda: process_of(alice.number) is None, within_s=20)
    [message] = alice.messages()
    assert holds(recorded(Path(message["audio"][0])), Clip("said", said_by(bob).samples[: 8 * SPOKEN_MS]))


async def test_killed_while_a_caller_speaks_nothing_is_lost(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    words = said_by(bob)
    call = await to_the_beep(bob, alice)
    process = process_of(alice.number)
    assert process
    os.kill(process, signal.SIGKILL)
    await call.says(words.samples)
    assert alice.messages() == [], "Asterisk is still recording"
    await call.hang_up()
    await eventually(alice.messages, within_s=20)
    [message] = alice.messages()
    assert holds(recorded(Path(message["audio"][0])), Clip("said", words.samples[: 8 * SPOKEN_MS]))


async def test_killed_while_the_greeting_plays_the_dialplan_takes_the_message(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    words = said_by(bob)
    call = await bob.dials(alice.number)
    await call.hears("greeting/person-at")
    process = process_of(alice.number)
    assert process
    os.kill(process, signal.SIGKILL)
    await call.hears("greeting/person-at", within_s=20)
    await call.press("1")
    await call.hears("tone/beep", whole=True)
    await call.says(words.samples)
    await call.hang_up()
    await eventually(alice.messages, within_s=20)
    [message] = alice.messages()
    assert holds(recorded(Path(message["audio"][0])), Clip("said", words.samples[: 8 * SPOKEN_MS]))
