"""The display of the terminal phone: prompts word by word as they play, and a progress bar for recordings."""

from __future__ import annotations

import sys
from typing import TextIO

from ivr.terminal.recording import SoundFile

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
