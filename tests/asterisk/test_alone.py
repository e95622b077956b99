"""The service is down, stuck, or killed in mid-call: the dialplan does it alone, and nothing that was said is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.asterisk.conftest import Conversation, Desk, Person, eventually
from tests.asterisk.rig.lab import Notes
from tests.asterisk.rig.processes import Service
from tests.asterisk.rig.roads import takes_calls
from tests.sipphone import Clip, Samples
from tests.sipphone.speech import speech

SAID_MS = 3000
NAME = re.compile(r"alone-lab-(?P<box>1\d{3})-(?P<caller>\w+)-(?P<epoch>\d{10})-(?P<call>\d+_\d+)\.wav")
STUCK_S = 40
"""From the last sign of life of a service to the dialplan's own greeting: the longest sound and the slack."""


class Spare:
    """A service of this test's own, running; what is recorded without it is in `takes`.

    `how`: settings of its own. Where Asterisk dials it for ARI, whoever starts it waits for that.
    """

    def __init__(self, notes: Notes, n: int, **how: str) -> None:
        self.n = n
        self.died_within_s = 45 if notes.transport == "ari" else 12
        """How soon a caller is with the dialplan when the service is killed: over ARI, a new one might take them up."""
        self.code = f"*7{n:02}"
        self._notes = notes
        environment = {**notes.spares[n], **how}
        self.name = environment["IVR_ARI__APPLICATION"]
        dials = environment["IVR_ARI__LISTEN_PORT"] == "0" or environment["IVR_ARI__LISTEN_PER_CALL"] == "True"
        self._waits = notes.transport == "ari" and dials
        self.service = Service(environment, Path(notes.folder) / f"service-spare-{n}.log")
        self.start()
        self.takes = Path(notes.spares[n]["IVR_DATA__FOLDER"]) / "takes"
        self.desk = Desk(notes.spares[n])

    def start(self) -> None:
        """Start the service, and wait until calls find it."""
        self.service.start()
        if self._waits:
            assert takes_calls(self.name, self._notes.console, 20)

    def close(self) -> None:
        self.desk.close()
        with contextlib.suppress(ProcessLookupError):
            self.service.signal(signal.SIGCONT)
        self.service.stop()

    def alone(self) -> list[Path]:
        """What the dialplan recorded by itself."""
        return sorted(self.takes.glob("alone-*.wav"))


@pytest.fixture
def spare(notes: Notes) -> Iterator[Spare]:
    spare = Spare(notes, _take_spare(notes))
    yield spare
    spare.close()


@pytest.fixture
def owner(alice: Person, spare: Spare) -> Person:
    """Alice, whose box is at that service."""
    alice.moves_in(at=spare.desk)
    return alice


def _take_spare(notes: Notes) -> int:
    for n in range(len(notes.spares)):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(Path(notes.folder) / f"taken-spare-{n}", os.O_CREAT | os.O_EXCL))
            return n
    raise AssertionError("the lab has no more spare services: make SPARES larger")


def words_of(person: Person) -> Clip:
    return Clip("what was said", speech(int(person.number) + 77_000, SAID_MS))


def recorded(path: Path) -> Samples:
    """What is in the file, even while it grows and its header tells nothing."""
    data = path.read_bytes()[44:]
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2")


def holds(samples: Samples, clip: Clip) -> bool:
    """Whether the recording has the words in it, from their first to their last."""
    said = clip.samples.astype(float)
    found = np.correlate(samples.astype(float), said[: len(said) * 9 // 10], "valid")
    at = int(found.argmax())
    part = samples[at : at + len(said) * 9 // 10].astype(float)
    return bool(found[at] / (np.linalg.norm(part) * np.linalg.norm(said[: len(part)])) > 0.9)


async def greets_alone(call: Conversation, owner: Person, within_s: float = 12) -> None:
    await call.hears("greeting/person-at", within_s=within_s)
    await call.hears(*(f"number/{digit}" for digit in owner.number), "greeting/is-not-available")


async def in_the_greeting(caller: Person, owner: Person, spare: Spare) -> Conversation:
    """The call is up, and is greeted: by the service, or by the dialplan alone."""
    call = await caller.dials(spare.code + owner.number)
    await call.hears("greeting/person-at")
    return call


async def goes_to_the_beep(call: Conversation) -> None:
    await call.press("1")
    await call.hears("tone/beep", whole=True)


async def talks_until_a_key(call: Conversation, words: Clip) -> None:
    await call.says(words.samples)
    await call.press("#")


async def speaks_and_hangs_up(call: Conversation, words: Clip, within_s: float = 12) -> None:
    await call.hears("tone/beep", whole=True, within_s=within_s)
    await call.says(words.samples)
    await call.hang_up()


async def leaves_alone(call: Conversation, spare: Spare, caller: Person, owner: Person, within_s: float = 12) -> None:
    """From the beep on: what is said is in the takes folder, under a name that says whose it is."""
    words = words_of(caller)
    await speaks_and_hangs_up(call, words, within_s)
    await eventually(lambda: spare.alone() and len(recorded(spare.alone()[0])) > SAID_MS * 7)
    [take] = spare.alone()
    named = NAME.fullmatch(take.name)
    assert named, take.name
    assert (named["box"], named["caller"]) == (owner.number, caller.name)
    assert holds(recorded(take), words)


async def the_owner_hears_it_when_the_service_is_back(owner: Person, words: Clip, spare: Spare) -> None:
    """Once, however often the service starts."""
    for _ in range(2):
        spare.service.kill()
        spare.start()
        await eventually(lambda: owner.messages() and not list(spare.takes.glob("*.wav")), within_s=20)
    assert len(owner.messages()) == 1
    call = await owner.dials(spare.code)
    await call.hears("number/1", "count/new-message", words)
    await call.hang_up()


async def test_without_a_service_the_dialplan_takes_the_message(owner: Person, bob: Person, spare: Spare) -> None:
    spare.service.stop()
    call = await bob.dials(spare.code + owner.number)
    await greets_alone(call, owner)
    await call.hears("greeting/leave-a-message")
    await leaves_alone(call, spare, bob, owner)
    await the_owner_hears_it_when_the_service_is_back(owner, words_of(bob), spare)


async def test_a_key_goes_to_the_beep_and_another_ends_the_recording(owner: Person, bob: Person, spare: Spare) -> None:
    spare.service.stop()
    call = await in_the_greeting(bob, owner, spare)
    await call.press("5")
    await call.hears("tone/beep", whole=True)
    await talks_until_a_key(call, words_of(bob))
    await call.hears("done/thank-you")
    await call.ends()
    [take] = spare.alone()
    assert holds(recorded(take), words_of(bob))


async def test_killed_in_the_greeting_the_dialplan_begins_again(owner: Person, bob: Person, spare: Spare) -> None:
    call = await in_the_greeting(bob, owner, spare)
    spare.service.kill()
    await greets_alone(call, owner, within_s=spare.died_within_s)
    await leaves_alone(call, spare, bob, owner, within_s=spare.died_within_s)


async def test_killed_while_recording_the_caller_talks_on(owner: Person, bob: Person, spare: Spare) -> None:
    """Asterisk goes on recording; it is not asked for again."""
    call = await in_the_greeting(bob, owner, spare)
    await goes_to_the_beep(call)
    words = words_of(bob)
    talking = asyncio.create_task(call.says(words.samples))
    await eventually(lambda: [take for take in spare.takes.glob("*.wav") if take.stat().st_size])
    await asyncio.to_thread(spare.service.kill)
    await talking
    await call.press("#")
    await call.hears("done/thank-you")
    await call.ends()
    [take] = spare.takes.glob("*.wav")
    assert not spare.alone()
    assert holds(recorded(take), words)
    await the_owner_hears_it_when_the_service_is_back(owner, words, spare)


async def test_killed_in_the_review_what_was_said_stays(owner: Person, bob: Person, spare: Spare) -> None:
    call = await in_the_greeting(bob, owner, spare)
    await goes_to_the_beep(call)
    await talks_until_a_key(call, words_of(bob))
    await call.hears("to/save-recording")
    spare.service.kill()
    await call.hears("done/thank-you", within_s=spare.died_within_s)
    await call.ends()
    [take] = spare.takes.glob("*.wav")
    assert holds(recorded(take), words_of(bob))


async def test_killed_when_the_message_was_kept_the_caller_is_thanked(owner: Person, bob: Person, spare: Spare) -> None:
    call = await in_the_greeting(bob, owner, spare)
    await goes_to_the_beep(call)
    await talks_until_a_key(call, words_of(bob))
    await call.hears("to/save-recording")
    await call.press("1")
    await call.hears("done/message-left")
    spare.service.kill()
    await call.hears("done/thank-you", within_s=spare.died_within_s)
    await call.ends(within_s=spare.died_within_s)
    assert len(owner.messages()) == 1
    assert list(spare.takes.glob("*.wav")) == []


async def test_killed_before_a_word_was_said_the_caller_is_asked_again(
    owner: Person, bob: Person, spare: Spare
) -> None:
    call = await in_the_greeting(bob, owner, spare)
    await goes_to_the_beep(call)
    spare.service.kill()
    await call.press("1")
    await leaves_alone(call, spare, bob, owner, within_s=spare.died_within_s)  # It may not have come to recording.


async def test_a_service_that_hangs_before_the_call_is_not_waited_for(owner: Person, bob: Person, spare: Spare) -> None:
    """The connection is taken, by the kernel; then nothing comes."""
    spare.service.signal(signal.SIGSTOP)
    call = await bob.dials(spare.code + owner.number, within_s=20)
    await greets_alone(call, owner)
    await leaves_alone(call, spare, bob, owner)


async def test_a_service_that_hangs_in_the_greeting_is_not_waited_for_for_ever(
    owner: Person, bob: Person, spare: Spare
) -> None:
    call = await in_the_greeting(bob, owner, spare)
    spare.service.signal(signal.SIGSTOP)
    await call.hears("greeting/is-not-available")
    await greets_alone(call, owner, within_s=STUCK_S)
    await leaves_alone(call, spare, bob, owner)


async def test_an_owner_is_told_to_try_later(owner: Person, spare: Spare) -> None:
    spare.service.stop()
    call = await owner.dials(spare.code)
    await call.hears("problem/later")
    await call.ends()


async def test_an_owner_is_told_to_try_later_when_the_service_hangs(owner: Person, spare: Spare) -> None:
    spare.service.signal(signal.SIGSTOP)
    call = await owner.dials(spare.code, within_s=20)
    await call.hears("problem/later")
    await call.ends()


async def test_an_owner_who_has_signed_in_from_the_greeting_is_asked_for_no_message(
    owner: Person, stranger: Person, spare: Spare
) -> None:
    call = await in_the_greeting(stranger, owner, spare)
    await call.press("*")
    await call.hears("login/enter-pin")
    spare.service.kill()
    await call.hears("problem/later", within_s=spare.died_within_s)
    await call.ends()


async def test_a_caller_cannot_choose_where_the_recording_goes(owner: Person, stranger: Person, spare: Spare) -> None:
    spare.service.stop()
    call = await stranger.dials(spare.code + owner.number)
    await call.press("1")
    await leaves_alone(call, spare, stranger, owner)
    assert {path.parent for path in spare.alone()} == {spare.takes}
