"""A caller at the terminal phone who follows the script of a case, in real time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from ivr.audio import wav
from ivr.terminal.handset import LISTENING_SILENCE_MS, TerminalHandset
from ivr.terminal.keyboard import Keyboard
from ivr.terminal.sound import SoundFile
from tests.call.contract.caller_steps import DURING_WORK, CallerHangUp, CallerPress, CallerSpeak, CallerStep

KEY_DOWN_MS = 60
"""From one key of a row to the next, as fingers do."""


class ContractKeyboard(Keyboard):
    """A keyboard that presses by itself."""

    def __init__(self, script: Iterable[CallerStep]) -> None:
        super().__init__()
        self.is_terminal = False
        self._script = deque(script)
        self._pressed: deque[str] = deque()
        self._scheduled_keys: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._work_done = asyncio.Event()

    async def read_key(self, allowed: str) -> str:
        while True:
            while self._pressed:
                pressed = self._pressed.popleft()
                if pressed in allowed:
                    return pressed
            self._changed.clear()
            await self._changed.wait()

    def on_sound(self, name: str, length_ms: int, start_ms: int) -> None:
        """A sound begins; without a name, a wait."""
        step = self._script[0] if self._script else None
        if isinstance(step, CallerPress | CallerHangUp) and (step.during or "") == name:
            ms = step.position * length_ms - start_ms if name else step.delay_ms
            if ms >= 0:
                self._script.popleft()
                self._scheduled_keys = asyncio.create_task(self._run_step(step, ms))

    def microphone(self) -> tuple[str, ...]:
        """A program that gives what is said and then nothing more, until it is stopped."""
        step = (
            self._script.popleft()
            if self._script and isinstance(self._script[0], CallerSpeak)
            else CallerSpeak(0, "on")
        )
        assert isinstance(step, CallerSpeak)
        if step.ended_by == "key":
            self._scheduled_keys = asyncio.create_task(self._run_step(CallerPress("5"), step.length_ms))
        elif step.ended_by == "hang-up":
            self._scheduled_keys = asyncio.create_task(self._run_step(CallerHangUp(), step.length_ms))
        return ("sh", "-c", f"head -c {step.length_ms * wav.BYTES_PER_MS} /dev/zero; exec sleep 20")

    async def work(self) -> str:
        """The service works while the caller does what the script has them do meanwhile."""
        if (
            self._script
            and isinstance(step := self._script[0], CallerPress | CallerHangUp)
            and step.during == DURING_WORK
        ):
            self._script.popleft()
            await self._run_step(step, 100)
            await asyncio.sleep(0.3)
        return "done"

    async def _run_step(self, step: CallerPress | CallerHangUp, after_ms: float) -> None:
        await asyncio.sleep(after_ms / 1000)
        if isinstance(step, CallerHangUp):
            self.hangup_event.set()
            return
        for key in step.keys:
            self._pressed.append(key)
            self._changed.set()
            await asyncio.sleep(KEY_DOWN_MS / 1000)


class ContractTerminalHandset:
    """The terminal handset, which reports each sound to the keyboard."""

    def __init__(self, console: TerminalHandset, keyboard: ContractKeyboard) -> None:
        self._console = console
        self._keyboard = keyboard

    @property
    def hangup_event(self) -> asyncio.Event:
        return self._console.hangup_event

    async def play(
        self, sound_file: SoundFile, start_ms: int, digits: str, interrupt: asyncio.Event
    ) -> tuple[str | None, int]:
        if sound_file.length_ms - start_ms < LISTENING_SILENCE_MS:
            name = "" if sound_file.captions is None else " ".join(words.text for words in sound_file.captions)
            self._keyboard.on_sound(name, sound_file.length_ms, start_ms)
        return await self._console.play(sound_file, start_ms, digits, interrupt)

    async def record(self, path: Path, digits: str, max_ms: int, silence_ms: int) -> tuple[str | None, int]:
        return await self._console.record(path, digits, max_ms, silence_ms)
