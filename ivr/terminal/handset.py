"""The handset at a terminal: keyboard, screen, loudspeaker, and microphone or speech synthesis."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ivr.audio import wav
from ivr.terminal.keyboard import DIALPAD, Keyboard
from ivr.terminal.sound import Loudspeaker, SoundFile, recorder_command, synthesize

REFRESH_S = 0.05
MIN_WAIT_S = 0.01
"""Pause after a sound that takes no time, so that keys are read."""
LISTENING_SILENCE_MS = 59_000
"""The service plays a silence of this length while it works; a shorter silence is a wait for a key."""


@dataclass(frozen=True, slots=True)
class PhoneOptions:
    """Options of the phone. `fast`: sounds take no time. `speech_pcm`: samples spoken into every recording."""

    fast: bool
    speech_pcm: bytes | None
    sounds_folder: Path
    """The prompts of one language, used to spell a text if no synthesiser is installed."""


class TerminalHandset:
    """A `Handset` made of a keyboard, a screen and a loudspeaker."""

    def __init__(self, keyboard: Keyboard, screen: Screen, loudspeaker: Loudspeaker, options: PhoneOptions) -> None:
        self._keyboard = keyboard
        self._screen = screen
        self._loudspeaker = loudspeaker
        self._options = options

    @property
    def hangup_event(self) -> asyncio.Event:
        return self._keyboard.hangup_event

    async def play(
        self, sound_file: SoundFile, start_ms: int, digits: str, interrupt: asyncio.Event
    ) -> tuple[str | None, int]:
        key = asyncio.create_task(self._keyboard.read_key(digits or "none"))
        end_tasks = [asyncio.create_task(event.wait()) for event in (interrupt, self.hangup_event)]
        try:
            await self._loudspeaker.start(
                b"" if sound_file.is_silence else sound_file.pcm[start_ms * wav.BYTES_PER_MS :]
            )
            if not sound_file.is_silence:
                self._screen.show_start(sound_file, start_ms)
            position_ms = await self._wait_until_end(sound_file, start_ms, [key, *end_tasks])
            pressed = key.result() if key.done() else None
            if pressed or not sound_file.is_silence:
                self._screen.show_end(sound_file, position_ms, pressed)
            return pressed, position_ms
        finally:
            for task in (key, *end_tasks):
                task.cancel()
            await self._loudspeaker.stop()

    async def _wait_until_end(self, sound_file: SoundFile, start_ms: int, end_tasks: list[asyncio.Task[object]]) -> int:
        """Wait until the end of the sound or of a task. Return the position in milliseconds."""
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        while True:
            await asyncio.wait(
                end_tasks, timeout=self._wait_timeout_s(sound_file, start_ms), return_when=asyncio.FIRST_COMPLETED
            )
            position_ms = start_ms + int((loop.time() - started_at) * 1000)
            ended = any(task.done() for task in end_tasks)
            if not ended and self._is_instant(sound_file, start_ms):
                position_ms = sound_file.length_ms
            if not sound_file.is_silence:
                self._screen.show_position(sound_file, min(position_ms, sound_file.length_ms))
            if ended or position_ms >= sound_file.length_ms:
                return min(position_ms, sound_file.length_ms)

    def _wait_timeout_s(self, sound_file: SoundFile, start_ms: int) -> float:
        if not sound_file.is_silence:
            return MIN_WAIT_S if self._options.fast else REFRESH_S
        remaining_s = (sound_file.length_ms - start_ms) / 1000
        return MIN_WAIT_S if self._is_instant(sound_file, start_ms) else remaining_s

    def _is_instant(self, sound_file: SoundFile, start_ms: int) -> bool:
        """Whether the sound takes no time: with `fast`, any sound, and a wait for a key once the input has ended."""
        if sound_file.is_silence:
            return (
                self._options.fast and self._keyboard.at_eof and sound_file.length_ms - start_ms < LISTENING_SILENCE_MS
            )
        return self._options.fast

    async def record(self, path: Path, digits: str, max_ms: int, silence_ms: int) -> tuple[str | None, int]:
        key = None
        if self._options.speech_pcm is not None:
            pcm = self._options.speech_pcm
        elif command := recorder_command():
            key, pcm = await self._record_microphone(command, digits, max_ms)
        elif self._keyboard.is_terminal:
            pcm = await self._synthesize_typed_line()
        else:
            pcm = b""
        pcm = pcm[: max_ms * wav.BYTES_PER_MS]
        wav.write(path, pcm)
        path.chmod(0o640)
        length_ms = len(pcm) // wav.BYTES_PER_MS
        self._screen.print_line(f"● recorded {length_ms / 1000:.1f} s")
        return key, length_ms

    async def _record_microphone(self, command: tuple[str, ...], digits: str, max_ms: int) -> tuple[str | None, bytes]:
        self._screen.print_line("● recording: speak, then press a key (h hangs up)")
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout
        reader = asyncio.create_task(_read_at_most(max_ms * wav.BYTES_PER_MS, process.stdout))
        key = asyncio.create_task(self._keyboard.read_key(digits or DIALPAD))
        hangup = asyncio.create_task(self.hangup_event.wait())
        await asyncio.wait([key, hangup], timeout=max_ms / 1000, return_when=asyncio.FIRST_COMPLETED)
        with suppress(ProcessLookupError):
            process.terminate()
        pcm = await reader
        await process.wait()
        for task in (key, hangup):
            task.cancel()
        return (key.result() if key.done() and not key.cancelled() else None), pcm

    async def _synthesize_typed_line(self) -> bytes:
        self._screen.print_line("● recording: type what you say, then Enter (no microphone here)")
        line = await self._keyboard.read_line()
        if not line:
            return b""
        pcm, method = await asyncio.to_thread(synthesize, line, self._options.sounds_folder)
        self._screen.print_line(f"● {method}")
        return pcm


async def _read_at_most(size: int, stream: asyncio.StreamReader) -> bytes:
    """Read until the stream ends, at most `size` bytes."""
    data = bytearray()
    while len(data) < size and (chunk := await stream.read(size - len(data))):
        data += chunk
    return bytes(data)


BAR_WIDTH = 40


class Screen:
    """Writes to `out`. A progress bar is redrawn in a terminal; elsewhere it is written once, at its end."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._is_line_open = False
        self._captions_shown = 0

    def show_start(self, sound_file: SoundFile, start_ms: int) -> None:
        """Show that a sound starts to play at `start_ms`."""
        self._captions_shown = 0
        if sound_file.captions:
            self._captions_shown = sum(caption.start_ms < start_ms for caption in sound_file.captions)
            self._write("  ☎ ")
        self.show_position(sound_file, start_ms)

    def show_position(self, sound_file: SoundFile, position_ms: int) -> None:
        """Show the text or the bar up to `position_ms`."""
        if sound_file.captions is None:
            if self._is_terminal:
                self._write(f"\r  ▶ {progress_bar(position_ms, sound_file.length_ms)}")
            return
        while (
            self._captions_shown < len(sound_file.captions)
            and sound_file.captions[self._captions_shown].start_ms <= position_ms
        ):
            self._write(sound_file.captions[self._captions_shown].text + " ")
            self._captions_shown += 1

    def show_end(self, sound_file: SoundFile, position_ms: int, key: str | None) -> None:
        """Show where the sound ended, and the key that ended it."""
        if sound_file.captions is None and not self._is_terminal:
            self._write(f"  ▶ {progress_bar(position_ms, sound_file.length_ms)}")
        if key:
            self._write(f" ⌨ {key}")
        self._close_line()

    def print_line(self, text: str) -> None:
        """Print a line of text."""
        self._close_line()
        self._write(f"  {text}\n")
        self._is_line_open = False

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
        self._is_line_open = True

    def _close_line(self) -> None:
        if self._is_line_open:
            self._out.write("\n")
            self._out.flush()
            self._is_line_open = False


def progress_bar(position_ms: int, length_ms: int) -> str:
    """Return a bar such as `[========>           ] 0:07 / 1:02`."""
    filled = BAR_WIDTH * position_ms // max(1, length_ms)
    bar = f"{'=' * filled + '>' * (filled < BAR_WIDTH):<{BAR_WIDTH}}"
    return f"[{bar}] {_format_duration(position_ms)} / {_format_duration(length_ms)}"


def _format_duration(ms: int) -> str:
    seconds = ms // 1000
    return f"{seconds // 60}:{seconds % 60:02d}"
