"""`python -m tests.site.calls FILE`: a telephone call of a page, made by the SIP phone of the lab.

FILE is JSON: the lines of the call, and the phones by the words that name their owners. What is heard is compared with
the texts of the catalogue of prompts, so a page quotes what a person hears.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

from ivr.prompts.catalogue import Catalogue
from tests.lab.sip_phone import Clip, Phone, PhoneCall, Vocabulary
from tests.lab.sip_phone.speech import speech

SOUNDS = Path(__file__).parents[2] / "sounds" / "en"
MESSAGE = Clip("the message", speech(20_261_128, 4000))
"""What a caller says; an owner must hear the same."""
SERVER = ("127.0.0.1", 5060)
HEARD_WITHIN_S = 25.0
PAUSE_BEFORE_SPEECH_S = 0.06
POLL_INTERVAL_S = 0.25


class ScriptedCaller:
    """A phone in a call that follows the lines of a page."""

    def __init__(self, call: PhoneCall, vocabulary: Vocabulary, texts: dict[str, list[str]]) -> None:
        self._call = call
        self._vocabulary = vocabulary
        self._texts = texts
        self._heard_until_s = 0.0

    async def follow(self, line: str) -> None:
        """Do what a line says. Raises `AssertionError` if something else is heard."""
        if quoted := re.fullmatch(r'hears "(.*)"', line):
            await self._hear(_words(quoted[1]))
        elif line == "hears the message":
            await self._hear_clip(MESSAGE)
        elif line == "speaks after the beep":
            await self._hear_clip(self._vocabulary["tone/beep"], whole=True)
            await asyncio.sleep(PAUSE_BEFORE_SPEECH_S)
            await self._call.say(MESSAGE.samples)
        elif pressed := re.fullmatch(r"presses ([0-9*#]+)", line):
            await self._call.press(pressed[1])
            self._heard_until_s = self._call.key_up_s
        elif line == "hangs up":
            await self._call.hang_up()
        else:
            raise AssertionError(f"a call cannot do this: {line}")

    async def _hear_clip(self, clip: Clip, *, whole: bool = False) -> None:
        heard = await self._call.wait_for_clip(clip, within_s=HEARD_WITHIN_S, after_s=self._heard_until_s, whole=whole)
        self._heard_until_s = heard.start_s + 0.02

    async def _hear(self, expected: list[str]) -> None:
        heard: list[str] = []
        deadline = asyncio.get_running_loop().time() + HEARD_WITHIN_S
        while " ".join(expected) not in " ".join(heard):
            assert asyncio.get_running_loop().time() < deadline, f"expected {expected}, heard {heard}"
            await asyncio.sleep(POLL_INTERVAL_S)
            clips = await self._call.transcript(after_s=self._heard_until_s)
            heard = [word for clip in clips for word in self._texts[clip.name]]


async def make_call(lines: list[str], phones: dict[str, tuple[str, str]]) -> None:
    """Make a call. `phones`: {words that name the owner: (user, password)}."""
    texts = _catalogue_texts()
    vocabulary = Vocabulary.from_folder(SOUNDS)
    caller, number = lines[0].split(" dials ")
    user, password = phones[caller]
    async with Phone(user, password, SERVER, vocabulary=vocabulary) as phone:
        await phone.register()
        scripted = ScriptedCaller(await phone.dial(number), vocabulary, texts)
        for line in lines[1:]:
            await scripted.follow(line)


def _catalogue_texts() -> dict[str, list[str]]:
    """The words of each prompt by its key."""
    catalogue = Catalogue.load(SOUNDS)
    return {key: _words(catalogue[key].text) for key in catalogue}


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


if __name__ == "__main__":
    script = json.loads(Path(sys.argv[1]).read_text())
    asyncio.run(make_call(script["lines"], script["phones"]))
