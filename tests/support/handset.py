"""Handsets for the terminal phone's Asterisk: one that follows a script at once, one that types at its own pace."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ivr.audio import wav
from ivr.terminal.recording import Recording

LISTENING_MS = 59_000
"""The service listens in a silence as long as this while it works; shorter ones are waits for a key."""
HANG_UP = "h"


@dataclass(frozen=True, slots=True)
class When:
    """Press `key` (or hang up) when a sound whose text has `text` begins; "" is a wait for a key."""

    text: str
    key: str


class ScriptedHandset:
    """Sounds take no time. What is heard is in `heard`, recordings of people as "(recording)"."""

    def __init__(self, script: Iterable[When] = (), speech: bytes = b"") -> None:
        self.heard: list[str] = []
        self.hung_up = asyncio.Event()
        self._script = deque(script)
        self._speech = speech

    async def play(self, heard: Recording, start_ms: int, digits: str, cut: asyncio.Event) -> tuple[str | None, int]:
        if heard.is_silence:
            text = ""
        else:
            text = "(recording)" if heard.sentence is None else " ".join(words.text for words in heard.sentence)
            self.heard.append(text)
        listening = heard.is_silence and heard.length_ms - start_ms > LISTENING_MS
        step = self._script[0] if self._script else None
        if step and digits and not listening and (step.text in text if step.text else text == ""):
            self._script.popleft()
            if step.key != HANG_UP:
                return step.key, start_ms
            self.hung_up.set()
            return None, start_ms
        if listening:
            await _first(cut.wait(), self.hung_up.wait())
        return None, heard.length_ms

    async def record(self, path: Path, digits: str, longest_ms: int, silence_ms: int) -> tuple[str | None, int]:
        wav.write(path, self._speech)
        step = self._script[0] if self._script else None
        if step and step.text == "(recording)" and step.key == HANG_UP:
            self._script.popleft()
            self.hung_up.set()
        return None, len(self._speech) // wav.BYTES_PER_MS


class TypingHandset:
    """Types `keys`, one each `every_s` seconds, whatever happens meanwhile; then stays silent.

    A key that is pressed while no command listens waits for the next one that does. (A real Asterisk forgets it after
    80 ms; how soon the service listens again is tested in test_connection.py and on the real one.)
    """

    def __init__(self, keys: str, every_s: float) -> None:
        self.hung_up = asyncio.Event()
        self._held: deque[str] = deque()
        self._pressed = asyncio.Event()
        self._typing = asyncio.create_task(self._type(keys, every_s))

    async def _type(self, keys: str, every_s: float) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for n, key in enumerate(keys):
            await asyncio.sleep(max(0.0, began + n * every_s - loop.time()))
            self._held.append(key)
            self._pressed.set()

    async def play(self, heard: Recording, start_ms: int, digits: str, cut: asyncio.Event) -> tuple[str | None, int]:
        loop = asyncio.get_running_loop()
        ends = loop.time() + (heard.length_ms - start_ms) / 1000
        while not self._held and not cut.is_set() and (left := ends - loop.time()) > 0:
            self._pressed.clear()
            await _first(self._pressed.wait(), cut.wait(), within_s=left)
        if self._held and digits and not cut.is_set():
            return self._held.popleft(), start_ms
        return None, heard.length_ms

    async def record(self, path: Path, digits: str, longest_ms: int, silence_ms: int) -> tuple[str | None, int]:
        raise AssertionError("nobody talks here")


async def _first(*waits: Awaitable[object], within_s: float | None = None) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
