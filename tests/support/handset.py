"""Handsets for the terminal phone's Asterisk: one that follows a script at once, one that types at its own pace."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ivr.audio import wav
from ivr.terminal.sound import SoundFile

KEY_WAIT_MS = 59_000
"""The service listens in a silence as long as this while it works; shorter ones are waits for a key."""
HANG_UP = "h"


@dataclass(frozen=True, slots=True)
class OnSound:
    """Press `key` (or hang up) when a sound whose text has `text` begins; "" is a wait for a key."""

    text_contains: str
    key: str


class ScriptedHandset:
    """Sounds take no time. What is heard is in `heard`, recordings of people as "(recording)"."""

    def __init__(self, script: Iterable[OnSound] = (), speech: bytes = b"") -> None:
        self.heard: list[str] = []
        self.hangup_event = asyncio.Event()
        self._script = deque(script)
        self._speech = speech

    async def play(
        self, sound_file: SoundFile, start_ms: int, digits: str, interrupt: asyncio.Event
    ) -> tuple[str | None, int]:
        if sound_file.is_silence:
            text = ""
        else:
            text = (
                "(recording)" if sound_file.captions is None else " ".join(words.text for words in sound_file.captions)
            )
            self.heard.append(text)
        listening = sound_file.is_silence and sound_file.length_ms - start_ms > KEY_WAIT_MS
        step = self._script[0] if self._script else None
        if step and digits and not listening and (step.text_contains in text if step.text_contains else text == ""):
            self._script.popleft()
            if step.key != HANG_UP:
                return step.key, start_ms
            self.hangup_event.set()
            return None, start_ms
        if listening:
            await _first_completed(interrupt.wait(), self.hangup_event.wait())
        return None, sound_file.length_ms

    async def record(self, path: Path, digits: str, max_ms: int, silence_ms: int) -> tuple[str | None, int]:
        wav.write(path, self._speech)
        step = self._script[0] if self._script else None
        if step and step.text_contains == "(recording)" and step.key == HANG_UP:
            self._script.popleft()
            self.hangup_event.set()
        return None, len(self._speech) // wav.BYTES_PER_MS


class TypingHandset:
    """Types `keys`, one each `every_s` seconds, whatever happens meanwhile; then stays silent.

    A key that is pressed while no command listens waits for the next one that does. (A real Asterisk forgets it after
    80 ms; how soon the service listens again is tested in test_connection.py and on the real one.)
    """

    def __init__(self, keys: str, every_s: float) -> None:
        self.hangup_event = asyncio.Event()
        self._typed: deque[str] = deque()
        self._pressed = asyncio.Event()
        self._typing = asyncio.create_task(self._type(keys, every_s))

    async def _type(self, keys: str, every_s: float) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for n, key in enumerate(keys):
            await asyncio.sleep(max(0.0, began + n * every_s - loop.time()))
            self._typed.append(key)
            self._pressed.set()

    async def play(
        self, sound_file: SoundFile, start_ms: int, digits: str, interrupt: asyncio.Event
    ) -> tuple[str | None, int]:
        loop = asyncio.get_running_loop()
        ends = loop.time() + (sound_file.length_ms - start_ms) / 1000
        while not self._typed and not interrupt.is_set() and (left := ends - loop.time()) > 0:
            self._pressed.clear()
            await _first_completed(self._pressed.wait(), interrupt.wait(), within_s=left)
        if self._typed and digits and not interrupt.is_set():
            return self._typed.popleft(), start_ms
        return None, sound_file.length_ms

    async def record(self, path: Path, digits: str, max_ms: int, silence_ms: int) -> tuple[str | None, int]:
        raise AssertionError("this handset does not record")


async def _first_completed(*waits: Awaitable[object], within_s: float | None = None) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
