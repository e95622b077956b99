"""The handset at a terminal: keyboard, screen, loudspeaker, and something that speaks for the person."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ivr.audio import wav
from ivr.terminal.keyboard import DIALPAD, Keyboard
from ivr.terminal.recording import Recording
from ivr.terminal.screen import Screen
from ivr.terminal.sound import Loudspeaker, recorder, spoken

REFRESH_S = 0.05
NO_TIME_S = 0.01
"""What takes no time still leaves the keyboard a chance."""
LONG_SILENCE_MS = 59_000
"""The service listens in a silence as long as this while it works; shorter ones are waits for a key."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the phone behaves. `fast`: sounds take no time. `say`: what is said into every recording, as samples."""

    fast: bool
    say: bytes | None
    sounds: Path
    """The prompts of one language, to spell with where there is no synthesiser."""


class Console:
    """A `Handset`."""

    def __init__(self, keyboard: Keyboard, screen: Screen, loudspeaker: Loudspeaker, manner: Manner) -> None:
        self._keyboard = keyboard
        self._screen = screen
        self._loudspeaker = loudspeaker
        self._manner = manner

    @property
    def hung_up(self) -> asyncio.Event:
        return self._keyboard.hook

    async def play(self, heard: Recording, start_ms: int, digits: str, cut: asyncio.Event) -> tuple[str | None, int]:
        key = asyncio.create_task(self._keyboard.key(digits or "none"))
        enough = [asyncio.create_task(event.wait()) for event in (cut, self.hung_up)]
        try:
            await self._loudspeaker.start(b"" if heard.is_silence else heard.pcm[start_ms * wav.BYTES_PER_MS :])
            if not heard.is_silence:
                self._screen.begins(heard, start_ms)
            position_ms = await self._run(heard, start_ms, [key, *enough])
            pressed = key.result() if key.done() else None
            if pressed or not heard.is_silence:
                self._screen.ends(heard, position_ms, pressed)
            return pressed, position_ms
        finally:
            for task in (key, *enough):
                task.cancel()
            await self._loudspeaker.stop()

    async def _run(self, heard: Recording, start_ms: int, ends: list[asyncio.Task[object]]) -> int:
        """Let time pass until the recording or something else ends it; gives the position."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.wait(ends, timeout=self._patience(heard, start_ms), return_when=asyncio.FIRST_COMPLETED)
            position_ms = start_ms + int((loop.time() - began) * 1000)
            ended = any(task.done() for task in ends)
            if not ended and self._takes_no_time(heard, start_ms):
                position_ms = heard.length_ms
            if not heard.is_silence:
                self._screen.at(heard, min(position_ms, heard.length_ms))
            if ended or position_ms >= heard.length_ms:
                return min(position_ms, heard.length_ms)

    def _patience(self, heard: Recording, start_ms: int) -> float:
        if not heard.is_silence:
            return NO_TIME_S if self._manner.fast else REFRESH_S
        left_s = (heard.length_ms - start_ms) / 1000
        return NO_TIME_S if self._takes_no_time(heard, start_ms) else left_s

    def _takes_no_time(self, heard: Recording, start_ms: int) -> bool:
        """In fast manner sounds do, and so do waits for a key that can never come."""
        if heard.is_silence:
            return self._manner.fast and self._keyboard.ended and heard.length_ms - start_ms < LONG_SILENCE_MS
        return self._manner.fast

    async def record(self, path: Path, digits: str, longest_ms: int, silence_ms: int) -> tuple[str | None, int]:
        key = None
        if self._manner.say is not None:
            pcm = self._manner.say
        elif command := recorder():
            key, pcm = await self._from_microphone(command, digits, longest_ms)
        elif self._keyboard.is_terminal:
            pcm = await self._from_a_typed_line()
        else:
            pcm = b""
        pcm = pcm[: longest_ms * wav.BYTES_PER_MS]
        wav.write(path, pcm)
        path.chmod(0o640)
        length_ms = len(pcm) // wav.BYTES_PER_MS
        self._screen.note(f"● recorded {length_ms / 1000:.1f} s")
        return key, length_ms

    async def _from_microphone(
        self, command: tuple[str, ...], digits: str, longest_ms: int
    ) -> tuple[str | None, bytes]:
        self._screen.note("● recording: speak, then press a key (h hangs up)")
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout
        reading = asyncio.create_task(_up_to(longest_ms * wav.BYTES_PER_MS, process.stdout))
        key = asyncio.create_task(self._keyboard.key(digits or DIALPAD))
        hook = asyncio.create_task(self.hung_up.wait())
        await asyncio.wait([key, hook], timeout=longest_ms / 1000, return_when=asyncio.FIRST_COMPLETED)
        with suppress(ProcessLookupError):
            process.terminate()
        pcm = await reading
        await process.wait()
        for task in (key, hook):
            task.cancel()
        return (key.result() if key.done() and not key.cancelled() else None), pcm

    async def _from_a_typed_line(self) -> bytes:
        self._screen.note("● recording: type what you say, then Enter (no microphone here)")
        line = await self._keyboard.line()
        if not line:
            return b""
        pcm, how = await asyncio.to_thread(spoken, line, self._manner.sounds)
        self._screen.note(f"● {how}")
        return pcm


async def _up_to(size: int, stream: asyncio.StreamReader) -> bytes:
    """What comes until the stream ends, and no more than `size` bytes of it."""
    read = bytearray()
    while len(read) < size and (more := await stream.read(size - len(read))):
        read += more
    return bytes(read)
