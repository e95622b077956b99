"""A handset that follows the script of a case on a fake clock: positions are exact, and waits take no time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from ivr.audio import wav
from ivr.terminal.sound import SoundFile
from tests.call.contract.caller_steps import DURING_WORK, CallerHangUp, CallerPress, CallerSpeak, CallerStep
from tests.support.handset import KEY_WAIT_MS
from tests.support.speech import speech_pcm


class ContractHandset:
    """A `Handset` of the terminal's Asterisk. `advance_clock(ms)` is called with the time that passes."""

    def __init__(
        self, script: Iterable[CallerStep], advance_clock: Callable[[int], None], *, observes_work: bool = True
    ) -> None:
        """`observes_work` False: the service is another process; it is taken to work when it listens after a sound."""
        self.heard: list[tuple[str, int, int]] = []
        """What was heard, from which position to which."""
        self.heard_before_answer: list[str] = []
        """Of that, what was heard before the call was answered."""
        self.is_answered: Callable[[], bool] = lambda: True
        self.hangup_event = asyncio.Event()
        self._script = deque(script)
        self._advance_clock = advance_clock
        self._pending_keys: deque[str] = deque()
        """Keys that were pressed and that no command has taken yet."""
        self._work_started = asyncio.Event()
        self._work_done = asyncio.Event()
        self._observes_work = observes_work

    async def work(self) -> str:
        """The service works until the caller has done what the script has them do meanwhile."""
        self._work_started.set()
        await self._work_done.wait()
        self._work_started.clear()
        return "done"

    async def play(
        self, sound_file: SoundFile, start_ms: int, digits: str, interrupt: asyncio.Event
    ) -> tuple[str | None, int]:
        if sound_file.is_silence and sound_file.length_ms - start_ms > KEY_WAIT_MS:
            return await self._wait_while_working(digits, interrupt, sound_file.length_ms)
        name = "" if sound_file.captions is None else " ".join(words.text for words in sound_file.captions)
        key, end_ms = self._play_until_key(name, start_ms, sound_file.length_ms, digits)
        if name:
            self.heard.append((name, start_ms, end_ms))
            if not self.is_answered():
                self.heard_before_answer.append(name)
            if not self._observes_work:
                self._work_started.set()
        return key, end_ms

    async def record(self, path: Path, digits: str, max_ms: int, silence_ms: int) -> tuple[str | None, int]:
        speech = (
            self._script.popleft()
            if self._script and isinstance(self._script[0], CallerSpeak)
            else CallerSpeak(0, "silence")
        )
        assert isinstance(speech, CallerSpeak)
        length_ms = min(speech.length_ms, max_ms)
        wav.write(path, speech_pcm(length_ms))
        self._advance_clock(length_ms)
        if speech.ended_by == "hang-up":
            self.hangup_event.set()
        return ("5" if speech.ended_by == "key" else None), length_ms

    def _play_until_key(self, name: str, start_ms: int, length_ms: int, digits: str) -> tuple[str | None, int]:
        """The key that ends a sound (or, without a name, a wait), and where."""
        if self._pending_keys and digits:
            return self._pending_keys.popleft(), start_ms
        step = self._script[0] if self._script else None
        at_ms = self._step_position(step, name, start_ms, length_ms)
        if at_ms is None or not start_ms <= at_ms < length_ms:
            self._advance_clock(max(0, length_ms - start_ms))
            return None, max(start_ms, length_ms)
        self._script.popleft()
        if isinstance(step, CallerHangUp):
            self._advance_clock(at_ms - start_ms)
            self.hangup_event.set()
            return None, at_ms
        assert isinstance(step, CallerPress)
        if not digits:
            self._advance_clock(length_ms - start_ms)
            return None, length_ms
        self._advance_clock(at_ms - start_ms)
        self._pending_keys.extend(step.keys[1:])
        return step.keys[0], at_ms

    @staticmethod
    def _step_position(step: CallerStep | None, name: str, start_ms: int, length_ms: int) -> int | None:
        """Where in this sound or wait a step takes place; None: not in this one."""
        if isinstance(step, CallerPress | CallerHangUp):
            if name and step.during == name:
                return round(step.position * length_ms)
            if not name and step.during is None:
                return start_ms + step.delay_ms  # A wait is the end of the long silence.
        return None

    async def _wait_while_working(self, digits: str, cut: asyncio.Event, length_ms: int) -> tuple[str | None, int]:
        """The silence while the service works."""
        await _first_completed(cut, self.hangup_event, self._work_started)
        step = self._script[0] if self._script else None
        if self._work_started.is_set() and isinstance(step, CallerPress | CallerHangUp) and step.during == DURING_WORK:
            self._script.popleft()
            if isinstance(step, CallerHangUp):
                self.hangup_event.set()
            else:
                self._pending_keys.extend(step.keys)
        if not cut.is_set() and self._pending_keys:
            return self._pending_keys.popleft(), 0
        if self._work_started.is_set():
            self._work_done.set()
        await _first_completed(cut, self.hangup_event)
        return None, length_ms


async def _first_completed(*events: asyncio.Event) -> None:
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
