"""The contract of the transports on a real Asterisk: a phone presses the keys of each row and hears its audio.

Over the transport of this lab (`python -m tests.lab run --transport ari ...`).
"""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from tests.asterisk.conftest import PhoneUser, wait_until
from tests.asterisk.played_ranges import played_ranges
from tests.asterisk.test_fallback_recordings import contains_speech, read_recording
from tests.call.contract.caller_steps import CallerHangUp, CallerPress, CallerSpeak
from tests.call.contract.contract_cases import CASES, ContractCase
from tests.call.contract.contract_fixture import SOUND_NAMES
from tests.call.contract.lab_service import FIRST_EXTENSION, result_file
from tests.lab.contract_sounds import speech_for
from tests.lab.lab import LabInfo
from tests.lab.sip_phone import RATE, Clip, PhoneCall, Vocabulary
from tests.lab.sip_phone.speech import speech

CLIPS = {name: Clip(name, speech_for(name)) for name in SOUND_NAMES}
FRAMES_MS = 40
"""Maximum difference between the audible effect of a key and its position as the service gets it."""
PAUSE_BEFORE_SPEECH_MS = 60
"""This phone speaks at the very end of the beep; a person takes a breath first."""
END_TOLERANCE_MS = 60
"""Asterisk leaves the last samples of a file out, and what is heard is found in pieces of 40 ms."""
REACTION_MS = 2000
SETTLE_S = 0.02
"""The answer and the packet of sound that came before it arrive at two ports."""
WORK_DURATION_S = 0.5
"""So long after the sound before it the service is at work."""


class ContractPhone:
    """Follows the script of a row at a SIP phone."""

    def __init__(self, call: PhoneCall, row: int) -> None:
        self.call = call
        self.spoken = speech(61_000 + row, 3000)
        self._heard_until_s = 0.0

    async def run_step(self, step: CallerPress | CallerHangUp | CallerSpeak) -> None:
        if isinstance(step, CallerSpeak):
            await self._speak(step)
            return
        if step.during in CLIPS:
            heard = await self.call.wait_for_clip(CLIPS[step.during], after_s=self._heard_until_s)
            self._heard_until_s = heard.start_s + 0.02
            length_s = len(CLIPS[step.during].samples) / 8000
            while self.call.position_s < heard.start_s + step.position * length_s:
                await asyncio.sleep(0.005)
        else:
            await self._expect_whole("alpha")
            await asyncio.sleep(step.delay_ms / 1000 if step.during is None else WORK_DURATION_S)
        if isinstance(step, CallerPress):
            await self.call.press(step.keys)
        else:
            await self.call.hang_up()

    async def _speak(self, step: CallerSpeak) -> None:
        await self._expect_whole("beep")
        await self.call.say(self.spoken[: 8 * step.length_ms])
        if step.ended_by == "key":
            await self.call.press("5")
        elif step.ended_by == "hang-up":
            await self.call.hang_up()

    async def _expect_whole(self, name: str) -> None:
        heard = await self.call.wait_for_clip(CLIPS[name], after_s=self._heard_until_s, whole=True)
        self._heard_until_s = heard.end_s


@pytest.mark.parametrize("n", range(len(CASES)), ids=lambda n: CASES[n].sentence.replace(" ", "-"))
async def test_transport_satisfies_contract_case(
    alice: PhoneUser, lab: LabInfo, vocabulary: Vocabulary, n: int
) -> None:  # fmt: skip
    row, folder = CASES[n], Path(lab.folder) / "contract"
    number = f"*60{FIRST_EXTENSION + n}"
    call = await (alice.phone.dial(number) if row.heard_before_answer is None else alice.phone.dial_early(number))
    caller = ContractPhone(call, n)
    for step in row.caller_steps:
        await caller.run_step(step)
    if row.heard_before_answer is not None and row.answered and not row.caller_hangs_up:
        await call.wait_until_answered(25)
    if row.continues_in_dialplan:
        await call.wait_for_clip(vocabulary["month/7"], within_s=15)
    await call.wait_for_hangup(25)
    result = result_file(folder, n, alice.name)
    await wait_until(result.exists)
    outcome: dict[str, Any] = json.loads(result.read_text())
    assert outcome["wrong"] is None, outcome["wrong"]
    if row.heard_before_answer is not None:
        _check_answered(call, row)
    if row.expected_audio is not None:
        _check_heard(call, row, outcome["found"])
    if spoken := next((step for step in row.caller_steps if isinstance(step, CallerSpeak)), None):
        _check_recorded(caller, spoken, outcome["found"])


def _check_heard(call: PhoneCall, row: ContractCase, found: dict[str, Any]) -> None:
    """The sounds of the row, and of each that part."""
    expected = {name: (start, end) for name, start, end in row.expected_audio or ()}
    for name, clip in CLIPS.items():
        heard = played_ranges(call, clip.samples)
        if name not in expected:
            assert heard == [], f"{name} was heard"
            continue
        start, end = (part * len(clip.samples) / 8 for part in expected[name])
        assert heard, f"{name} was not heard"
        assert abs(heard[0].began_ms - start) <= FRAMES_MS
        assert abs(heard[-1].ended_ms - end) <= (END_TOLERANCE_MS if end * 8 == len(clip.samples) else REACTION_MS)
        for before, after in pairwise(heard):
            assert abs(after.began_ms - before.ended_ms) <= FRAMES_MS, "it goes on where it stopped"
        if "position_ms" in found:
            assert abs(heard[-1].ended_ms - found["position_ms"]) <= FRAMES_MS


def _check_answered(call: PhoneCall, row: ContractCase) -> None:
    """Where the row answers, and not before; what is to be heard before that was heard by then."""
    went_on = row.continues_in_dialplan  # There, it is answered by the dialplan.
    assert (call.answered_s is not None) == (row.answered or went_on)
    until = None if call.answered_s is None else round((call.answered_s + SETTLE_S) * RATE)
    for name, clip in CLIPS.items():
        assert bool(played_ranges(call, clip.samples, until=until)) == (name in (row.heard_before_answer or ())), name


def _check_recorded(caller: ContractPhone, spoken: CallerSpeak, found: dict[str, Any]) -> None:
    """What was said is in the file that the row told of; where it hung up, in the only one of its folder."""
    if spoken.ended_by == "hang-up":
        return
    path = Path(found["recorded"])
    length_ms = min(spoken.length_ms, found["length_ms"]) // 2  # The beep was heard to its end a while after it ended.
    assert wav.length_ms(path) == found["length_ms"]
    assert contains_speech(
        read_recording(path), Clip("what was said", caller.spoken[8 * PAUSE_BEFORE_SPEECH_MS : 8 * length_ms])
    )
