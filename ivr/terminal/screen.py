"""What the terminal phone shows: sentences word by word as they are said, and a bar for what people recorded."""

from __future__ import annotations

import sys
from typing import TextIO

from ivr.terminal.recording import Recording

BAR_WIDTH = 40


class Screen:
    """Writes to `out`; in a terminal a bar is drawn over itself, elsewhere only once, when it ends."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._line_open = False
        self._shown = 0

    def begins(self, heard: Recording, start_ms: int) -> None:
        """A recording begins to play at `start_ms`."""
        self._shown = 0
        if heard.sentence:
            self._shown = sum(words.start_ms < start_ms for words in heard.sentence)
            self._write("  ☎ ")
        self.at(heard, start_ms)

    def at(self, heard: Recording, position_ms: int) -> None:
        """It has come to `position_ms`."""
        if heard.sentence is None:
            if self._is_terminal:
                self._write(f"\r  ▶ {bar(position_ms, heard.length_ms)}")
            return
        while self._shown < len(heard.sentence) and heard.sentence[self._shown].start_ms <= position_ms:
            self._write(heard.sentence[self._shown].text + " ")
            self._shown += 1

    def ends(self, heard: Recording, position_ms: int, key: str | None) -> None:
        """It has ended there, by a key or on its own."""
        if heard.sentence is None and not self._is_terminal:
            self._write(f"  ▶ {bar(position_ms, heard.length_ms)}")
        if key:
            self._write(f" ⌨ {key}")
        self._close_line()

    def note(self, text: str) -> None:
        """A line of its own."""
        self._close_line()
        self._write(f"  {text}\n")
        self._line_open = False

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
        self._line_open = True

    def _close_line(self) -> None:
        if self._line_open:
            self._out.write("\n")
            self._out.flush()
            self._line_open = False


def bar(position_ms: int, length_ms: int) -> str:
    """[========>           ] 0:07 / 1:02"""
    filled = BAR_WIDTH * position_ms // max(1, length_ms)
    return f"[{'=' * filled + '>' * (filled < BAR_WIDTH):<{BAR_WIDTH}}] {_clock(position_ms)} / {_clock(length_ms)}"


def _clock(ms: int) -> str:
    seconds = ms // 1000
    return f"{seconds // 60}:{seconds % 60:02d}"
