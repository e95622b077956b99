"""Somebody at the terminal phone who follows the script of a row, in real time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from ivr.audio import wav
from ivr.terminal.console import LONG_SILENCE_MS, Console
from ivr.terminal.keyboard import Keyboard
from ivr.terminal.recording import Recording
from tests.call.contract.script import WORK, HangsUp, Presses, Speaks, Step

HELD_MS = 60
"""From one key of a row to the next, as fingers do."""


class FollowingKeyboard(Keyboard):
    """A keyboard that presses by itself."""

    def __init__(self, script: Iterable[Step]) -> None:
        super().__init__()
        self.is_terminal = False
        self._script = deque(script)
        self._pressed: deque[str] = deque()
        self._due: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._worked = asyncio.Event()

    async def key(self, allowed: str) -> str:
        while True:
            while self._pressed:
                pressed = self._pressed.popleft()
                if pressed in allowed:
                    return pressed
            self._changed.clear()
            await self._changed.wait()

    def hears(self, name: str, length_ms: int, start_ms: int) -> None:
        """A sound begins; without a name, a wait."""
        step = self._script[0] if self._script else None
        if isinstance(step, Presses | HangsUp) and (step.during or "") == name:
            ms = step.at * length_ms - start_ms if name else step.ms
            if ms >= 0:
                self._script.popleft()
                self._due = asyncio.create_task(self._do(step, ms))

    def microphone(self) -> tuple[str, ...]:
        """A program that gives what is said and then nothing more, until it is stopped."""
        step = self._script.popleft() if self._script and isinstance(self._script[0], Speaks) else Speaks(0, "on")
        assert isinstance(step, Speaks)
        if step.then == "key":
            self._due = asyncio.create_task(self._do(Presses("5"), step.ms))
        elif step.then == "hang-up":
            self._due = asyncio.create_task(self._do(HangsUp(), step.ms))
        return ("sh", "-c", f"head -c {step.ms * wav.BYTES_PER_MS} /dev/zero; exec sleep 20")

    async def work(self) -> str:
        """The service works while the caller does what the script has them do meanwhile."""
        if self._script and isinstance(step := self._script[0], Presses | HangsUp) and step.during == WORK:
            self._script.popleft()
            await self._do(step, 100)
            await asyncio.sleep(0.3)
        return "done"

    async def _do(self, step: Presses | HangsUp, after_ms: float) -> None:
        await asyncio.sleep(after_ms / 1000)
        if isinstance(step, HangsUp):
            self.hook.set()
            return
        for key in step.keys:
            self._pressed.append(key)
            self._changed.set()
            await asyncio.sleep(HELD_MS / 1000)


class FollowingConsole:
    """The console, which tells the keyboard what it plays."""

    def __init__(self, console: Console, keyboard: FollowingKeyboard) -> None:
        self._console = console
        self._keyboard = keyboard

    @property
    def hung_up(self) -> asyncio.Event:
        return self._console.hung_up

    async def play(self, heard: Recording, start_ms: int, digits: str, cut: asyncio.Event) -> tuple[str | None, int]:
        if heard.length_ms - start_ms < LONG_SILENCE_MS:
            name = "" if heard.sentence is None else " ".join(words.text for words in heard.sentence)
            self._keyboard.hears(name, heard.length_ms, start_ms)
        return await self._console.play(heard, start_ms, digits, cut)

    async def record(self, path: Path, digits: str, longest_ms: int, silence_ms: int) -> tuple[str | None, int]:
        return await self._console.record(path, digits, longest_ms, silence_ms)
