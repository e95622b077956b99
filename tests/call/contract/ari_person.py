"""Somebody at the phone of an Asterisk that speaks ARI (tests/support/ari.py), who follows the script of a row."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.call.contract.script import WORK, HangsUp, Presses, Speaks, Step
from tests.support.ari import SPEED, FakeAri, PeerCall

ENDINGS = {"key": "DTMF", "silence": "SILENCE", "on": "TIMEOUT"}


class AtThePhone:
    """Does one step after the other."""

    def __init__(self, script: Sequence[Step]) -> None:
        self._script = script
        self._working = asyncio.Event()
        self._worked = asyncio.Event()

    async def work(self) -> str:
        """The service works until this person has done what they do meanwhile."""
        self._working.set()
        await self._worked.wait()
        await asyncio.sleep(0.05)
        return "done"

    async def follow(self, asterisk: FakeAri, call: PeerCall) -> None:
        for step in self._script:
            if isinstance(step, Speaks):
                await self._speak(asterisk, call, step)
                continue
            if step.during == WORK:
                await self._working.wait()
            elif step.during:
                playback = await call.plays(step.during)
                await asyncio.sleep(step.at * playback.length_ms / 1000 / SPEED)
            else:
                await call.has_heard("alpha")
                await asyncio.sleep(step.ms / 1000 / SPEED)
            if isinstance(step, Presses):
                call.press(step.keys)
            elif isinstance(step, HangsUp):
                call.hang_up()
        self._worked.set()

    @staticmethod
    async def _speak(asterisk: FakeAri, call: PeerCall, step: Speaks) -> None:
        if step.then == "hang-up":
            asterisk.said_ms = step.ms
            await call.records()
            call.hang_up()
            return
        await call.speaks(step.ms, ENDINGS[step.then])
