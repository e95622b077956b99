"""The caller at a phone of the fake ARI server (tests/support/fake_ari_server.py); follows the steps of a case."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.call.contract.caller_steps import DURING_WORK, CallerHangUp, CallerPress, CallerSpeak, CallerStep
from tests.support.fake_ari_server import TIME_SCALE, FakeAriServer, FakeChannel

RECORDING_ENDS = {"key": "DTMF", "silence": "SILENCE", "on": "TIMEOUT"}


class AriCaller:
    """Does one step after the other."""

    def __init__(self, script: Sequence[CallerStep]) -> None:
        self._script = script
        self._work_started = asyncio.Event()
        self._work_done = asyncio.Event()

    async def work(self) -> str:
        """The service works until this person has done what they do meanwhile."""
        self._work_started.set()
        await self._work_done.wait()
        await asyncio.sleep(0.05)
        return "done"

    async def handle(self, asterisk: FakeAriServer, call: FakeChannel) -> None:
        for step in self._script:
            if isinstance(step, CallerSpeak):
                await self._speak(asterisk, call, step)
                continue
            if step.during == DURING_WORK:
                await self._work_started.wait()
            elif step.during:
                playback = await call.wait_for_playback(step.during)
                await asyncio.sleep(step.position * playback.length_ms / 1000 / TIME_SCALE)
            else:
                await call.wait_until_played("alpha")
                await asyncio.sleep(step.delay_ms / 1000 / TIME_SCALE)
            if isinstance(step, CallerPress):
                call.press(step.keys)
            elif isinstance(step, CallerHangUp):
                call.hang_up()
        self._work_done.set()

    @staticmethod
    async def _speak(asterisk: FakeAriServer, call: FakeChannel, step: CallerSpeak) -> None:
        if step.ended_by == "hang-up":
            asterisk.recorded_ms = step.length_ms
            await call.wait_for_recording()
            call.hang_up()
            return
        await call.speak(step.length_ms, RECORDING_ENDS[step.ended_by])
