"""A handset that follows the script of a row, in no time at all: positions are exact, and waits cost nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from ivr.audio import wav
from ivr.terminal.recording import Recording
from tests.call.contract.script import WORK, HangsUp, Presses, Speaks, Step
from tests.support.handset import LISTENING_MS


class Follower:
    """A `Handset` of the terminal's Asterisk. `pass_time(ms)` is told of the time that passes."""

    def __init__(self, script: Iterable[Step], pass_time: Callable[[int], None], *, sees_work: bool = True) -> None:
        """`sees_work` False: whoever works is another process, so it is taken to work when it listens after a sound."""
        self.heard: list[tuple[str, int, int]] = []
        """What was heard, from which position to which."""
        self.early: list[str] = []
        """Of that, what was heard before the call was answered."""
        self.is_answered: Callable[[], bool] = lambda: True
        self.hung_up = asyncio.Event()
        self._script = deque(script)
        self._pass_time = pass_time
        self._held: deque[str] = deque()
        """Keys that were pressed and that no command has taken yet."""
        self._working = asyncio.Event()
        self._worked = asyncio.Event()
        self._sees_work = sees_work

    async def work(self) -> str:
        """The service works until the caller has done what the script has them do meanwhile."""
        self._working.set()
        await self._worked.wait()
        self._working.clear()
        return "done"

    async def play(self, heard: Recording, start_ms: int, digits: str, cut: asyncio.Event) -> tuple[str | None, int]:
        if heard.is_silence and heard.length_ms - start_ms > LISTENING_MS:
            return await self._listen(digits, cut, heard.length_ms)
        name = "" if heard.sentence is None else " ".join(words.text for words in heard.sentence)
        key, end_ms = self._until(name, start_ms, heard.length_ms, digits)
        if name:
            self.heard.append((name, start_ms, end_ms))
            if not self.is_answered():
                self.early.append(name)
            if not self._sees_work:
                self._working.set()
        return key, end_ms

    async def record(self, path: Path, digits: str, longest_ms: int, silence_ms: int) -> tuple[str | None, int]:
        said = self._script.popleft() if self._script and isinstance(self._script[0], Speaks) else Speaks(0, "silence")
        assert isinstance(said, Speaks)
        length_ms = min(said.ms, longest_ms)
        wav.write(path, b"\x10\x01" * (length_ms * wav.SAMPLES_PER_MS))
        self._pass_time(length_ms)
        if said.then == "hang-up":
            self.hung_up.set()
        return ("5" if said.then == "key" else None), length_ms

    def _until(self, name: str, start_ms: int, length_ms: int, digits: str) -> tuple[str | None, int]:
        """The key that ends a sound (or, without a name, a wait), and where."""
        if self._held and digits:
            return self._held.popleft(), start_ms
        step = self._script[0] if self._script else None
        at_ms = self._moment(step, name, start_ms, length_ms)
        if at_ms is None or not start_ms <= at_ms < length_ms:
            self._pass_time(max(0, length_ms - start_ms))
            return None, max(start_ms, length_ms)
        self._script.popleft()
        if isinstance(step, HangsUp):
            self._pass_time(at_ms - start_ms)
            self.hung_up.set()
            return None, at_ms
        assert isinstance(step, Presses)
        if not digits:
            self._pass_time(length_ms - start_ms)
            return None, length_ms
        self._pass_time(at_ms - start_ms)
        self._held.extend(step.keys[1:])
        return step.keys[0], at_ms

    @staticmethod
    def _moment(step: Step | None, name: str, start_ms: int, length_ms: int) -> int | None:
        """Where in this sound or wait a step takes place; None: not in this one."""
        if isinstance(step, Presses | HangsUp):
            if name and step.during == name:
                return round(step.at * length_ms)
            if not name and step.during is None:
                return start_ms + step.ms  # A wait is the end of the long silence.
        return None

    async def _listen(self, digits: str, cut: asyncio.Event, length_ms: int) -> tuple[str | None, int]:
        """The silence while the service works."""
        await _first(cut, self.hung_up, self._working)
        step = self._script[0] if self._script else None
        if self._working.is_set() and isinstance(step, Presses | HangsUp) and step.during == WORK:
            self._script.popleft()
            if isinstance(step, HangsUp):
                self.hung_up.set()
            else:
                self._held.extend(step.keys)
        if not cut.is_set() and self._held:
            return self._held.popleft(), 0
        if self._working.is_set():
            self._worked.set()
        await _first(cut, self.hung_up)
        return None, length_ms


async def _first(*events: asyncio.Event) -> None:
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
