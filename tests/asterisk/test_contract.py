"""The contract of the transports on a real Asterisk: a phone presses the keys of each row and hears its audio.

By whichever road the calls of this lab take (`python -m tests.asterisk.rig run --transport ari ...`).
"""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ivr.audio import wav
from tests.asterisk.conftest import Person, eventually
from tests.asterisk.hearing import stretches
from tests.asterisk.rig.contract import sound_of
from tests.asterisk.rig.lab import Notes
from tests.asterisk.test_alone import holds, recorded
from tests.call.contract.lab import FIRST, told_in
from tests.call.contract.rows import ROWS, Row
from tests.call.contract.script import HangsUp, Presses, Speaks
from tests.call.contract.stage import NAMES
from tests.sipphone import RATE, Clip, PhoneCall, Vocabulary
from tests.sipphone.speech import speech

CLIPS = {name: Clip(name, sound_of(name)) for name in NAMES}
FRAMES_MS = 40
"""What is heard of a key's effect, and what the service is told of it, differ by this at most."""
BREATH_MS = 60
"""This phone speaks at the very end of the beep; a person takes a breath first."""
END_MS = 60
"""Asterisk leaves the last samples of a file out, and what is heard is found in pieces of 40 ms."""
REACTION_MS = 2000
SETTLING_S = 0.02
"""The answer and the packet of sound that came before it arrive at two ports."""
WORKING_S = 0.5
"""So long after the sound before it the service is at work."""


class Caller:
    """Follows the script of a row at a SIP phone."""

    def __init__(self, call: PhoneCall, row: int) -> None:
        self.call = call
        self.said = speech(61_000 + row, 3000)
        self._since_s = 0.0

    async def does(self, step: Presses | HangsUp | Speaks) -> None:
        if isinstance(step, Speaks):
            await self._speaks(step)
            return
        if step.during in CLIPS:
            heard = await self.call.hears(CLIPS[step.during], after_s=self._since_s)
            self._since_s = heard.start_s + 0.02
            length_s = len(CLIPS[step.during].samples) / 8000
            while self.call.position_s < heard.start_s + step.at * length_s:
                await asyncio.sleep(0.005)
        else:
            await self._hears_all_of("alpha")
            await asyncio.sleep(step.ms / 1000 if step.during is None else WORKING_S)
        if isinstance(step, Presses):
            await self.call.press(step.keys)
        else:
            await self.call.hang_up()

    async def _speaks(self, step: Speaks) -> None:
        await self._hears_all_of("beep")
        await self.call.say(self.said[: 8 * step.ms])
        if step.then == "key":
            await self.call.press("5")
        elif step.then == "hang-up":
            await self.call.hang_up()

    async def _hears_all_of(self, name: str) -> None:
        heard = await self.call.hears(CLIPS[name], after_s=self._since_s, whole=True)
        self._since_s = heard.end_s


@pytest.mark.parametrize("n", range(len(ROWS)), ids=lambda n: ROWS[n].sentence.replace(" ", "-"))
async def test_a_transport_keeps_the_contract(
    alice: Person, notes: Notes, vocabulary: Vocabulary, n: int
) -> None:  # fmt: skip
    row, folder = ROWS[n], Path(notes.folder) / "contract"
    number = f"*60{FIRST + n}"
    call = await (alice.phone.dial(number) if row.early is None else alice.phone.dial_early(number))
    caller = Caller(call, n)
    for step in row.caller:
        await caller.does(step)
    if row.early is not None and row.answered and not row.caller_hangs_up:
        await call.answered(25)
    if row.goes_on:
        await call.hears(vocabulary["month/7"], within_s=15)
    await call.ended(25)
    told = told_in(folder, n, alice.name)
    await eventually(told.exists)
    outcome: dict[str, Any] = json.loads(told.read_text())
    assert outcome["wrong"] is None, outcome["wrong"]
    if row.early is not None:
        _was_answered(call, row)
    if row.hears is not None:
        _was_heard(call, row, outcome["found"])
    if spoken := next((step for step in row.caller if isinstance(step, Speaks)), None):
        _was_recorded(caller, spoken, outcome["found"])


def _was_heard(call: PhoneCall, row: Row, found: dict[str, Any]) -> None:
    """The sounds of the row, and of each that part."""
    expected = {name: (start, end) for name, start, end in row.hears or ()}
    for name, clip in CLIPS.items():
        heard = stretches(call, clip.samples)
        if name not in expected:
            assert heard == [], f"{name} was heard"
            continue
        start, end = (part * len(clip.samples) / 8 for part in expected[name])
        assert heard, f"{name} was not heard"
        assert abs(heard[0].began_ms - start) <= FRAMES_MS
        assert abs(heard[-1].ended_ms - end) <= (END_MS if end * 8 == len(clip.samples) else REACTION_MS)
        for before, after in pairwise(heard):
            assert abs(after.began_ms - before.ended_ms) <= FRAMES_MS, "it goes on where it stopped"
        if "position_ms" in found:
            assert abs(heard[-1].ended_ms - found["position_ms"]) <= FRAMES_MS


def _was_answered(call: PhoneCall, row: Row) -> None:
    """Where the row answers, and not before; what is to be heard before that was heard by then."""
    went_on = row.goes_on  # There, it is answered by the dialplan.
    assert (call.answered_s is not None) == (row.answered or went_on)
    until = None if call.answered_s is None else round((call.answered_s + SETTLING_S) * RATE)
    for name, clip in CLIPS.items():
        assert bool(stretches(call, clip.samples, until=until)) == (name in (row.early or ())), name


def _was_recorded(caller: Caller, spoken: Speaks, found: dict[str, Any]) -> None:
    """What was said is in the file that the row told of; where it hung up, in the only one of its folder."""
    if spoken.then == "hang-up":
        return
    path = Path(found["recorded"])
    length_ms = min(spoken.ms, found["length_ms"]) // 2  # The beep was heard to its end a while after it ended.
    assert wav.length_ms(path) == found["length_ms"]
    assert holds(recorded(path), Clip("what was said", caller.said[8 * BREATH_MS : 8 * length_ms]))
