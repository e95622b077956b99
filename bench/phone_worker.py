"""`python -m bench.phone_worker`: one SIP phone that measures pairs by listener, ours and theirs in turn.

Reads a JSON `WorkerTask` from its input and writes the figures to its output as JSON:
figure → [[ours, theirs], …] in ms. Each pair of phones has its own process, so that decoding for one does
not delay the clock of another.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.lab.sip_phone import RATE, Clip, ClipNotHeard, Phone, PhoneCall, RecognisedClip, Vocabulary
from tests.lab.sip_phone.clip_template import Template
from tests.lab.sip_phone.speech import speech

Figures = dict[str, float]
KEYS_WITH_PIN = "{pin}#1"
SIGN_INS = 5
SOUND_LEVEL = 128
"""A peak that is no noise of the line."""


@dataclass(frozen=True, slots=True)
class BenchTarget:
    """One of the two systems: what to dial, and which words to listen for."""

    own_phone_number: str
    """The box from its owner's phone; "" where this system does not have it."""
    pin_login_number: str
    sounds_folder: str
    you_have_prompt: str
    number_prompt: str
    """The word that follows "You have" in a box of this size."""
    message_prompt: str
    """The word that a message begins with when it was reached by "next"."""
    leave_number: str
    """What to dial to leave a message."""
    beep_prompt: str
    deleted_prompt: str


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """What one phone measures."""

    server: tuple[str, int]
    owner: tuple[str, str]
    """User and password of the owner's phone."""
    other: tuple[str, str]
    """Of a phone that needs the PIN."""
    pin: str
    pairs: int
    figures: tuple[str, ...]
    """Names of methods of `AudioListener`."""
    audio: str
    """The WAV of every message."""
    ours: BenchTarget
    theirs: BenchTarget | None
    seed: int


class AudioListener:
    """One side's calls."""

    def __init__(
        self, own: Phone, other: Phone, target: BenchTarget, vocabulary: Vocabulary, message: Clip, pin: str
    ) -> None:
        self._owner_phone = own
        self._other_phone = other
        self._target = target
        self._vocabulary = vocabulary
        self._message = message
        self._pin = pin

    async def measure_menus(self, _: random.Random) -> Figures:
        """Dial and answer to first prompt, and the gap between two words."""
        dialled = monotonic()
        call = await self._owner_phone.dial(self._target.own_phone_number)
        answered = monotonic()
        try:
            you_have = self._vocabulary[self._target.you_have_prompt]
            first = await call.wait_for_clip(you_have, whole=True)
            figures = {
                "dial to first prompt": 1000 * (self._sound_arrival(call, first) - dialled),
                "answer to first prompt": 1000 * (self._sound_arrival(call, first) - answered),
            }
            if first.name == self._target.you_have_prompt:  # Not where the sentence is one recording.
                number = self._vocabulary[self._target.number_prompt]
                second = await call.wait_for_clip(number, after_s=first.end_s - 0.1)
                begin_s = first_sound_s(second, self._vocabulary[second.name])
                figures["gap between two words"] = 1000 * (begin_s - first.end_s)
            return figures
        finally:
            await call.hang_up()

    async def measure_first_word(self, chance: random.Random) -> Figures:
        """Dial to the first word of the first new message, from the owner's phone, 1 pressed at the first sound; then
        "next" at a random phase to the frame, and how soon the next message's number is heard."""
        dialled = monotonic()
        call = await self._owner_phone.dial(self._target.own_phone_number)
        try:
            audio = await self._message_after(call, "1")
            first_word = self._sound_arrival(call, audio)
            await asyncio.sleep(0.3 + chance.random() * 0.02)
            await call.press("6", tone_ms=60)
            pressed = call.key_up_times[-1][1]
            word = self._vocabulary[self._target.message_prompt]
            following = await call.wait_for_clip(word, after_s=max(audio.start_s + 0.2, call.position_s - 0.3))
            return {
                "dial to first word, own phone": 1000 * (first_word - dialled),
                "key to next prompt's first frame": 1000 * (packet_arrival(call, following.start_s) - pressed),
                "key to next sound": 1000 * (self._sound_arrival(call, following) - pressed),
            }
        finally:
            await call.hang_up()

    async def measure_first_word_with_pin(self, _: random.Random) -> Figures:
        """The same with a PIN, all keys typed ahead."""
        dialled = monotonic()
        call = await self._other_phone.dial(self._target.pin_login_number)
        try:
            heard = await self._message_after(call, KEYS_WITH_PIN.format(pin=self._pin))
            return {
                "dial to first word, PIN typed ahead": 1000 * (self._sound_arrival(call, heard) - dialled),
            }
        finally:
            await call.hang_up()

    async def _message_after(self, call: PhoneCall, keys: str) -> RecognisedClip:
        await _wait_for_sound(call)
        await call.press(keys, tone_ms=60, gap_ms=60)
        return await call.wait_for_clip(self._message, within_s=20)

    async def measure_leave_to_listen(self, chance: random.Random) -> Figures:
        """A caller hangs up, and the owner of a box without new messages signs in until "one new message" is said."""
        caller = await self._other_phone.dial(self._target.leave_number)
        beep = self._vocabulary[self._target.beep_prompt]
        await _wait_for_sound(caller)
        await caller.press("#", tone_ms=60)
        await caller.wait_for_clip(beep, whole=True, within_s=20)
        await caller.say(speech(chance.randrange(1000), 2000))
        await caller.hang_up()
        hung_up = monotonic()
        number = self._vocabulary[self._target.number_prompt]
        for _ in range(SIGN_INS):
            owner = await self._owner_phone.dial(self._target.own_phone_number)
            try:
                heard = await owner.wait_for_clip(number, within_s=3)
                await self._delete_only_message(owner)
                name = "hang-up of a caller to the owner's next sign-in"
                return {name: 1000 * (self._sound_arrival(owner, heard) - hung_up)}
            except ClipNotHeard as missed:
                last = missed
            finally:
                await owner.hang_up()
        raise last

    def _sound_arrival(self, call: PhoneCall, heard: RecognisedClip) -> float:
        return packet_arrival(call, first_sound_s(heard, self._vocabulary[heard.name]))

    async def _delete_only_message(self, owner: PhoneCall) -> None:
        """Delete the one message there is, so that the next caller finds the box as this one did."""
        await owner.press("1", tone_ms=60)
        word = await owner.wait_for_clip(self._vocabulary[self._target.message_prompt])
        await owner.press("7", tone_ms=60)
        await owner.wait_for_clip(self._vocabulary[self._target.deleted_prompt], after_s=word.start_s)


async def _wait_for_sound(call: PhoneCall) -> None:
    """A person waits for the first sound before they press anything."""
    while not any(arrival.peak > SOUND_LEVEL for arrival in call.arrivals):
        await asyncio.sleep(0.002)


def first_sound_s(heard: RecognisedClip, clip: Clip) -> float:
    """Where its first sound is: clips begin with some silence of their own."""
    return heard.start_s + Template(clip).start / RATE


def packet_arrival(call: PhoneCall, second: float) -> float:
    """The monotonic second at which the packet came that has this second of the audio."""
    sample = round(second * RATE)
    return next(a.arrival_s for a in reversed(call.arrivals) if a.position <= sample)


async def measure(task: WorkerTask) -> dict[str, list[list[float]]]:
    chance = random.Random(task.seed)
    message = Clip.from_wav(Path(task.audio), "the message")
    sides = [side for side in (task.ours, task.theirs) if side]
    vocabularies = [_vocabulary(side, message) for side in sides]
    found: dict[str, list[list[float]]] = {}
    async with AsyncExitStack() as stack:
        own, other = [
            await stack.enter_async_context(Phone(*who, task.server, vocabulary=vocabularies[0]))
            for who in (task.owner, task.other)
        ]
        await own.register(3600)
        await other.register(3600)
        listeners = [
            AudioListener(own, other, side, words, message, task.pin)
            for side, words in zip(sides, vocabularies, strict=True)
        ]
        for _ in range(task.pairs):
            for figure in task.figures:
                first_is_ours = chance.random() < 0.5
                order = listeners if first_is_ours else list(reversed(listeners))
                pair = [await _try_measure(getattr(listener, figure), chance) for listener in order]
                for name, values in _merge_figures(pair if first_is_ours else list(reversed(pair))).items():
                    found.setdefault(name, []).append(values)
    return found


async def _try_measure(figure: Callable[[random.Random], Awaitable[Figures]], chance: random.Random) -> Figures:
    """A step that did not happen is no figure, and is counted by its absence."""
    try:
        return await figure(chance)
    except (ClipNotHeard, TimeoutError) as missed:
        print(f"not heard: {missed}", file=sys.stderr)
        return {}


def _merge_figures(pair: list[Figures]) -> dict[str, list[float]]:
    names = set(pair[0]).intersection(*pair)
    return {name: [figures[name] for figures in pair] for name in names}


def _vocabulary(side: BenchTarget, message: Clip) -> Vocabulary:
    folder = Path(side.sounds_folder)
    names = {side.you_have_prompt, side.number_prompt, side.message_prompt, side.beep_prompt, side.deleted_prompt}
    return Vocabulary.for_prompts(folder, names, message)


def main() -> None:
    given = json.load(sys.stdin)
    theirs = given.pop("theirs")
    pairs = {name: tuple(given[name]) for name in ("server", "owner", "other", "figures")}
    task = WorkerTask(
        **{**given, **pairs, "ours": BenchTarget(**given["ours"]), "theirs": BenchTarget(**theirs) if theirs else None}
    )
    json.dump(asyncio.run(measure(task)), sys.stdout)


if __name__ == "__main__":
    main()
