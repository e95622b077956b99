"""The keys of the handset, from a terminal (read key by key) or a pipe."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from typing import Any

DIALPAD = "0123456789*#"
HANGUP_KEYS = "hq\x03\x04"
"""Keys that hang up: h, q, Ctrl-C, Ctrl-D."""
YES_KEYS = "y\r\n"
NO_KEYS = f"n{HANGUP_KEYS}"
MIN_KEY_INTERVAL_S = 0.1
"""Minimum time between two keys: pasted digits are dialled as fast as fingers could."""
KEY_BUFFER_S = 0.08
"""How long a key is buffered while no command reads keys, as in Asterisk."""
MAX_LINE_BYTES = 4096
"""The longest line that a terminal passes on."""
PAUSE_KEY = ","
PAUSE_S = 1.0
"""A comma in a pipe pauses for a second, as in the dial string of a phone."""


class Keyboard:
    """Reads keys from file descriptor 0.

    In a terminal, a key pressed while no command reads keys is lost after `KEY_BUFFER_S`, as on a phone. The characters
    of a pipe wait.
    """

    def __init__(self) -> None:
        self.is_terminal = sys.stdin.isatty()
        self.hangup_event = asyncio.Event()
        self._key_waiter: asyncio.Future[str] | None = None
        self._next_press_at = 0.0
        self._buffered_key: tuple[str, float] | None = None
        """A key that was not read yet, and the loop time at which it was pressed."""
        self._at_eof = False
        self._saved_attributes: list[Any] | None = None

    @property
    def at_eof(self) -> bool:
        """Whether the input has ended, so that no further key can come."""
        return self._at_eof

    def open(self) -> None:
        """Start reading; a terminal is switched to single keys without echo."""
        if self.is_terminal:
            self._saved_attributes = termios.tcgetattr(0)
            tty.setcbreak(0)
            asyncio.get_running_loop().add_reader(0, self._on_terminal_readable)

    def close(self) -> None:
        """Stop reading, and restore the terminal."""
        if self.is_terminal:
            asyncio.get_running_loop().remove_reader(0)
            if self._saved_attributes is not None:
                termios.tcsetattr(0, termios.TCSADRAIN, self._saved_attributes)
                self._saved_attributes = None

    async def read_key(self, allowed_keys: str) -> str:
        """Return the next key of `allowed_keys`; other keys are ignored. Cancel the coroutine to stop."""
        while True:
            pressed = await (self._read_terminal_key() if self.is_terminal else self._read_pipe_key())
            if pressed in allowed_keys:
                return pressed

    async def read_line(self) -> str:
        """Return a line typed in the terminal, or "" after a hang-up."""
        self.close()
        hangup = asyncio.create_task(self.hangup_event.wait())
        line = asyncio.create_task(_wait_readable(0))
        try:
            await asyncio.wait((hangup, line), return_when=asyncio.FIRST_COMPLETED)
            typed = os.read(0, MAX_LINE_BYTES).decode(errors="replace") if line.done() else ""
            if not typed:
                self.hangup_event.set()
            return typed.strip()
        finally:
            for task in (hangup, line):
                task.cancel()
            await asyncio.gather(hangup, line, return_exceptions=True)
            self.open()

    async def _read_terminal_key(self) -> str:
        loop = asyncio.get_running_loop()
        buffered, self._buffered_key = self._buffered_key, None
        if buffered and loop.time() - buffered[1] <= KEY_BUFFER_S:
            return buffered[0]
        waiter: asyncio.Future[str] = loop.create_future()
        self._key_waiter = waiter
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # The key came at the moment of the cancellation.
                self._buffered_key = waiter.result(), loop.time()
            raise
        finally:
            self._key_waiter = None

    async def _read_pipe_key(self) -> str:
        while not self._at_eof:
            # One byte at a time, and only on demand: further keys stay in the pipe.
            await _wait_readable(0)
            pressed = os.read(0, 1).decode("ascii", "replace")
            if not pressed:
                self._at_eof = True
            elif pressed == PAUSE_KEY:
                await asyncio.sleep(PAUSE_S)
            elif pressed in HANGUP_KEYS:
                self.hangup_event.set()
            elif pressed in DIALPAD:
                return pressed
        await asyncio.Event().wait()  # No key can come any more; the end of the sound cancels this coroutine.
        raise AssertionError

    def _on_terminal_readable(self) -> None:
        loop = asyncio.get_running_loop()
        for pressed in os.read(0, 64).decode("ascii", "replace") or "\x04":
            self._next_press_at = max(loop.time(), self._next_press_at)
            if pressed in HANGUP_KEYS:
                loop.call_at(self._next_press_at, self.hangup_event.set)
            elif pressed in DIALPAD:
                loop.call_at(self._next_press_at, self._on_key, pressed)
                self._next_press_at += MIN_KEY_INTERVAL_S

    def _on_key(self, key: str) -> None:
        if self._key_waiter and not self._key_waiter.done():
            self._key_waiter.set_result(key)
        else:
            self._buffered_key = key, asyncio.get_running_loop().time()


async def confirm(question: str) -> bool:
    """Ask a question in the terminal. y or Enter: True; n, a hang-up key or Ctrl-C, or no terminal: False."""
    if not sys.stdin.isatty():
        return False
    loop = asyncio.get_running_loop()
    interrupted = asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, interrupted.set)
    saved_attributes = termios.tcgetattr(0)
    tty.setcbreak(0, termios.TCSADRAIN)  # Keys pressed meanwhile are not discarded.
    print(question, end="", flush=True)
    try:
        while True:
            key, interrupt = asyncio.create_task(_wait_readable(0)), asyncio.create_task(interrupted.wait())
            await asyncio.wait((key, interrupt), return_when=asyncio.FIRST_COMPLETED)
            pressed = (os.read(0, 1).decode("ascii", "replace").lower() if key.done() else "") or "n"
            for task in (key, interrupt):
                task.cancel()
            if pressed in YES_KEYS or pressed in NO_KEYS:
                return pressed in YES_KEYS
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        termios.tcsetattr(0, termios.TCSADRAIN, saved_attributes)
        print()


async def _wait_readable(descriptor: int) -> None:
    """Wait until a read would not block. Regular files never block, and selectors reject them."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
