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
import numpy.typing as npt
import pytest

from tests.asterisk.conftest import AdminClient, PhoneUser, RecognisedCall, wait_until
from tests.lab.lab import LabInfo
from tests.lab.processes import ServiceProcess
from tests.lab.sip_phone import Clip, Samples
from tests.lab.sip_phone.speech import speech
from tests.lab.transports import wait_for_ari_application

SPEECH_MS = 3000
PIECE = 1600
"""Samples of what was said that are compared at a time."""
MISSING = 320
"""Samples that may be missing in a recording: two frames."""
FALLBACK_NAME = re.compile(r"fallback-lab-(?P<box>1\d{3})-(?P<caller>\w+)-(?P<epoch>\d{10})-(?P<call>\d+_\d+)\.wav")
HANG_TIMEOUT_S = 40
"""From the last sign of life of a service to the dialplan's own greeting: the longest sound and the slack."""


class SpareService:
    """A running service of the test's own. The dialplan's recordings are in `takes`.

    `how`: its settings. If Asterisk connects to it for ARI, starting it waits for that.
    """

    def __init__(self, lab: LabInfo, n: int, **how: str) -> None:
        self.index = n
        self.noticed_within_s = 45 if lab.transport == "ari" else 12
        """How soon a caller is with the dialplan when the service is killed: over ARI, a new one might take them up."""
        self.dial_prefix = f"*7{n:02}"
        self._notes = lab
        environment = {**lab.spare_environments[n], **how}
        self.name = environment["IVR_ARI__APPLICATION"]
        dials = environment["IVR_ARI__LISTEN_PORT"] == "0" or environment["IVR_ARI__PER_CALL_CONNECTIONS"] == "True"
        self._must_be_registered = lab.transport == "ari" and dials
        self.service = ServiceProcess(environment, Path(lab.folder) / f"service-spare-{n}.log")
        self.start()
        self.takes = Path(lab.spare_environments[n]["IVR_DATA__FOLDER"]) / "takes"
        self.admin = AdminClient(lab.spare_environments[n])

    def start(self) -> None:
        """Start the service, and wait until calls find it."""
        self.service.start()
        if self._must_be_registered:
            assert wait_for_ari_application(self.name, self._notes.console_command, 20)

    def close(self) -> None:
        self.admin.close()
        with contextlib.suppress(ProcessLookupError):
            self.service.signal(signal.SIGCONT)
        self.service.stop()

    def fallback_recordings(self) -> list[Path]:
        """What the dialplan recorded by itself."""
        return sorted(self.takes.glob("fallback-*.wav"))


@pytest.fixture
def spare_service(lab: LabInfo) -> Iterator[SpareService]:
    spare = SpareService(lab, claim_spare(lab))
    yield spare
    spare.close()


@pytest.fixture
def owner(alice: PhoneUser, spare_service: SpareService) -> PhoneUser:
    """Alice, whose box is at that service."""
    alice.create_user_and_box(admin=spare_service.admin)
    return alice


def claim_spare(lab: LabInfo) -> int:
    for n in range(len(lab.spare_environments)):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(Path(lab.folder) / f"taken-spare-{n}", os.O_CREAT | os.O_EXCL))
            return n
    raise AssertionError("the lab has no more spare services: make SPARES larger")


def speech_of(person: PhoneUser) -> Clip:
    return Clip("what was said", speech(int(person.number) + 77_000, SPEECH_MS))


def read_recording(path: Path) -> Samples:
    """What is in the file, even while it grows and its header tells nothing."""
    data = path.read_bytes()[44:]
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2")


def contains_speech(samples: Samples, clip: Clip) -> bool:
    """Whether the recording has the words in it, from their first to their last.

    Up to two frames of 20 ms may be missing between them: on a busy machine one was, in two of some hundred recordings,
    with and without a service.
    """
    heard, spoken = samples.astype(float), clip.samples[: len(clip.samples) * 9 // 10].astype(float)
    if len(heard) < len(spoken):
        return False
    at = int(np.correlate(heard, spoken, "valid").argmax())
    loud = np.linalg.norm(spoken) / np.sqrt(len(spoken) / PIECE) / 3
    pieces = [
        similarity(heard[max(0, at + start - MISSING) : at + start + PIECE + MISSING], spoken[start : start + PIECE])
        for start in range(0, len(spoken) - PIECE + 1, PIECE)
        if np.linalg.norm(spoken[start : start + PIECE]) > loud
    ]
    return bool(np.mean(pieces) > 0.9 and min(pieces) > 0.4)


def similarity(heard: npt.NDArray[np.float64], piece: npt.NDArray[np.float64]) -> float:
    """The normalised correlation of a piece with the best place in what was heard: 1 is the same."""
    if len(heard) < len(piece):
        return 0.0
    at = int(np.correlate(heard, piece, "valid").argmax())
    there = heard[at : at + len(piece)]
    return float(there @ piece / (np.linalg.norm(there) * np.linalg.norm(piece) + 1))


async def expect_fallback_greeting(call: RecognisedCall, owner: PhoneUser, within_s: float = 12) -> None:
    await call.expect("greeting/person-at", within_s=within_s)
    await call.expect(*(f"number/{digit}" for digit in owner.number), "greeting/is-not-available")


async def dial_to_greeting(caller: PhoneUser, owner: PhoneUser, spare: SpareService) -> RecognisedCall:
    """The call is up, and is greeted: by the service, or by the dialplan alone."""
    call = await caller.dial(spare.dial_prefix + owner.number)
    await call.expect("greeting/person-at")
    return call


async def skip_to_beep(call: RecognisedCall) -> None:
    await call.press("1")
    await call.expect("tone/beep", whole=True)


async def speak_until_key(call: RecognisedCall, words: Clip) -> None:
    await call.say(words.samples)
    await call.press("#")


async def speak_and_hang_up(call: RecognisedCall, words: Clip, within_s: float = 12) -> None:
    await call.expect("tone/beep", whole=True, within_s=within_s)
    await call.say(words.samples)
    await call.hang_up()


async def leave_fallback_recording(
    call: RecognisedCall, spare: SpareService, caller: PhoneUser, owner: PhoneUser, within_s: float = 12
) -> None:
    """From the beep on: what is said is in the takes folder, under a name that says whose it is."""
    words = speech_of(caller)
    await speak_and_hang_up(call, words, within_s)
    await wait_until(
        lambda: spare.fallback_recordings() and len(read_recording(spare.fallback_recordings()[0])) > SPEECH_MS * 7
    )
    [take] = spare.fallback_recordings()
    named = FALLBACK_NAME.fullmatch(take.name)
    assert named, take.name
    assert (named["box"], named["caller"]) == (owner.number, caller.name)
    assert contains_speech(read_recording(take), words)


async def expect_message_after_restart(owner: PhoneUser, words: Clip, spare: SpareService) -> None:
    """Once, however often the service starts."""
    for _ in range(2):
        spare.service.kill()
        spare.start()
        await wait_until(lambda: owner.messages() and not list(spare.takes.glob("*.wav")), within_s=20)
    assert len(owner.messages()) == 1
    call = await owner.dial(spare.dial_prefix)
    await call.expect("number/1", "count/new-message", words)
    await call.hang_up()


async def test_dialplan_records_fallback_message_when_service_is_down(
    owner: PhoneUser, bob: PhoneUser, spare_service: SpareService
) -> None:
    spare_service.service.stop()
    call = await bob.dial(spare_service.dial_prefix + owner.number)
    await expect_fallback_greeting(call, owner)
    await call.expect("greeting/leave-a-message")
    await leave_fallback_recording(call, spare_service, bob, owner)
    await expect_message_after_restart(owner, speech_of(bob), spare_service)


async def test_fallback_key_skips_to_beep_and_ends_recording(
    owner: PhoneUser, bob: PhoneUser, spare_service: SpareService
) -> None:
    spare_service.service.stop()
    call = await dial_to_greeting(bob, owner, spare_service)
    await call.press("5")
    await call.expect("tone/beep", whole=True)
    await speak_until_key(call, speech_of(bob))
    await call.expect("done/thank-you")
    await call.wait_for_hangup()
    [take] = spare_service.fallback_recordings()
    assert contains_speech(read_recording(take), speech_of(bob))


async def test_service_killed_during_greeting_dialplan_restarts_greeting(
    owner: PhoneUser, bob: PhoneUser, spare_service: SpareService
) -> None:
    call = await dial_to_greeting(bob, owner, spare_service)
    spare_service.service.kill()
    await expect_fallback_greeting(call, owner, within_s=spare_service.noticed_within_s)
    await leave_fallback_recording(call, spare_service, bob, owner, within_s=spare_service.noticed_within_s)


async def test_service_killed_while_recording_recording_continues(
    owner: PhoneUser, bob: PhoneUser, spare_service: SpareService
) -> None:
    """Asterisk goes on recording; it is not asked for again."""
    call = await dial_to_greeting(bob, owner, spare_service)
    await skip_to_beep(call)
    words = speech_of(bob)
    talking = asyncio.create_task(call.say(words.samples))
    await wait_until(lambda: [take for take in spare_service.takes.glob("*.wav") if take.stat().st_size])
    await asyncio.to_thread(spare_service.service.kill)
    await talking
    await call.press("#")
    await call.expect("done/thank-you")
    await call.wait_for_hangup()
    [take] = spare_service.takes.glob("*.wav")
    assert not spare_service.fallback_recordings()
    assert contains_speech(read_recording(take), words)
    await expect_message_after_restart(owner, words, spare_service)


async def test_service_killed_during_review_message_is_kept(
    owner: PhoneUser, bob: PhoneUser, spare_service: SpareService
) -> None:
    call = await dial_to_greeting(bob, owner, spare_service)
    await skip_to_beep(call)
    await speak_until_key(call, speech_of(bob))
    await call.expect("to/save-recording")
    spare_service.service.kill()
    await call.expect("done/thank-you", within_s=spare_service.noticed_within_s)
    await call.wait_for_hangup()
    [take] = spare_service.takes.glob("*.wav")
    assert contains_speech(read_recording(take), speech_of(bob))


async def test_service_killed_after_saving_caller_is_thanked(
    owner: PhoneUser, bob: PhoneUser, spare_service: SpareService
) -> None:
    call = await dial_to_greeting(bob, owner, spare_service)
    await skip_to_beep(call)
    await speak_until_key(call, speech_of(bob))
    await call.expect("to/save-recording")
    await call.press("1")
    await call.expect("done/message-left")
    spare_service.service.kill()
    await call.expect("done/thank-you", within_s=spare_service.noticed_within_s)
    await call.wait_for_hangup(within_s=spare_service.noticed_within_s)
    assert len(owner.messages()) == 1
    assert list(spare_service.takes.glob("*.wav")) == []


async def test_service_killed_before_speech_caller_is_asked_again(
    owner: PhoneUser, bob: PhoneUser, spare_service: SpareService
) -> None:
    call = await dial_to_greeting(bob, owner, spare_service)
    await skip_to_beep(call)
    spare_service.service.kill()
    await call.press("1")
    await leave_fallback_recording(
        call, spare_service, bob, owner, within_s=spare_service.noticed_within_s
    )  # It may not have come to recording.


async def test_hanging_service_is_bypassed_before_call(
    owner: PhoneUser, bob: PhoneUser, spare_service: SpareService
) -> None:
    """The connection is taken, by the kernel; then nothing comes."""
    spare_service.service.signal(signal.SIGSTOP)
    call = await bob.dial(spare_service.dial_prefix + owner.number, within_s=20)
    await expect_fallback_greeting(call, owner)
    await leave_fallback_recording(call, spare_service, bob, owner)


@pytest.mark.long
async def test_hanging_service_is_bypassed_during_greeting(
    owner: PhoneUser, bob: PhoneUser, spare_service: SpareService
) -> None:
    call = await dial_to_greeting(bob, owner, spare_service)
    spare_service.service.signal(signal.SIGSTOP)
    await call.expect("greeting/is-not-available")
    await expect_fallback_greeting(call, owner, within_s=HANG_TIMEOUT_S)
    await leave_fallback_recording(call, spare_service, bob, owner)


async def test_owner_hears_try_later_when_service_is_down(owner: PhoneUser, spare_service: SpareService) -> None:
    spare_service.service.stop()
    call = await owner.dial(spare_service.dial_prefix)
    await call.expect("problem/later")
    await call.wait_for_hangup()


async def test_owner_hears_try_later_when_service_hangs(owner: PhoneUser, spare_service: SpareService) -> None:
    spare_service.service.signal(signal.SIGSTOP)
    call = await owner.dial(spare_service.dial_prefix, within_s=20)
    await call.expect("problem/later")
    await call.wait_for_hangup()


async def test_owner_logged_in_from_greeting_is_not_asked_for_message(
    owner: PhoneUser, stranger: PhoneUser, spare_service: SpareService
) -> None:
    call = await dial_to_greeting(stranger, owner, spare_service)
    await call.press("*")
    await call.expect("login/enter-pin")
    spare_service.service.kill()
    await call.expect("problem/later", within_s=spare_service.noticed_within_s)
    await call.wait_for_hangup()


async def test_caller_cannot_choose_path_of_fallback_recording(
    owner: PhoneUser, stranger: PhoneUser, spare_service: SpareService
) -> None:
    spare_service.service.stop()
    call = await stranger.dial(spare_service.dial_prefix + owner.number)
    await call.press("1")
    await leave_fallback_recording(call, spare_service, stranger, owner)
    assert {path.parent for path in spare_service.fallback_recordings()} == {spare_service.takes}


async def test_dialplan_records_when_service_cannot_write_its_database(
    owner: PhoneUser, bob: PhoneUser, spare_service: SpareService
) -> None:
    """As after a restore by root: the service runs and answers, but can store nothing; not the end of a call either."""
    database = spare_service.takes.parent / "state" / "ivr.db"
    service_user = database.stat()
    interrupted = await dial_to_greeting(bob, owner, spare_service)
    spare_service.service.kill()
    await interrupted.hang_up()
    os.chown(database, 0, 0)
    database.chmod(0o644)
    spare_service.start()
    call = await bob.dial(spare_service.dial_prefix + owner.number)
    await expect_fallback_greeting(call, owner)
    await leave_fallback_recording(call, spare_service, bob, owner)
    os.chown(database, service_user.st_uid, service_user.st_gid)
    await expect_message_after_restart(owner, speech_of(bob), spare_service)
