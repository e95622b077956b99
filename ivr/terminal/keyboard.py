"""The keys of the handset: single keys from a terminal, taken at once, or the characters of a pipe."""

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
"""From one key to the next at least, as fast as fingers: what is pasted is dialled at that pace."""
KEY_BUFFER_S = 0.08
"""A key pressed while nobody listens is kept for so long, as Asterisk does."""
MAX_LINE_BYTES = 4096
"""A terminal takes no more."""
PAUSE_KEY = ","
PAUSE_S = 1.0
"""In a pipe, a comma waits a second, as on any dialer."""


class Keyboard:
    """Reads file descriptor 0. In a terminal a key pressed while nobody listens is soon lost, as on a phone; what a
    pipe holds waits until somebody listens."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdin.isatty()
        self.hangup_event = asyncio.Event()
        self._key_waiter: asyncio.Future[str] | None = None
        self._next_press_at = 0.0
        self._buffered_key: tuple[str, float] | None = None
        """A key that nobody has taken yet, and when it was pressed."""
        self._at_eof = False
        self._saved_attributes: list[Any] | None = None

    @property
    def at_eof(self) -> bool:
        """Whether no key can come any more."""
        return self._at_eof

    def open(self) -> None:
        """Begin to read; in a terminal, key by key and unseen."""
        if self.is_terminal:
            self._saved_attributes = termios.tcgetattr(0)
            tty.setcbreak(0)
            asyncio.get_running_loop().add_reader(0, self._on_terminal_readable)

    def close(self) -> None:
        """Give the terminal back as it was."""
        if self.is_terminal:
            asyncio.get_running_loop().remove_reader(0)
            if self._saved_attributes is not None:
                termios.tcsetattr(0, termios.TCSADRAIN, self._saved_attributes)
                self._saved_attributes = None

    async def read_key(self, allowed_keys: str) -> str:
        """The next key of `allowed`. Cancel it to stop listening."""
        while True:
            pressed = await (self._read_terminal_key() if self.is_terminal else self._read_pipe_key())
            if pressed in allowed_keys:
                return pressed

    async def read_line(self) -> str:
        """A line typed in a terminal, "" when the person hangs up instead."""
        self.close()
        hook = asyncio.create_task(self.hangup_event.wait())
        line = asyncio.create_task(_wait_readable(0))
        try:
            await asyncio.wait((hook, line), return_when=asyncio.FIRST_COMPLETED)
            typed = os.read(0, MAX_LINE_BYTES).decode(errors="replace") if line.done() else ""
            if not typed:
                self.hangup_event.set()
            return typed.strip()
        finally:
            for task in (hook, line):
                task.cancel()
            await asyncio.gather(hook, line, return_exceptions=True)
            self.open()

    async def _read_terminal_key(self) -> str:
        loop = asyncio.get_running_loop()
        held, self._buffered_key = self._buffered_key, None
        if held and loop.time() - held[1] <= KEY_BUFFER_S:
            return held[0]
        waiting: asyncio.Future[str] = loop.create_future()
        self._key_waiter = waiting
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():  # It came in the moment of being stopped.
                self._buffered_key = waiting.result(), loop.time()
            raise
        finally:
            self._key_waiter = None

    async def _read_pipe_key(self) -> str:
        while not self._at_eof:
            # A byte at a time and only when wanted: what is not wanted yet stays in the pipe.
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
        await asyncio.Event().wait()  # No key will ever come; whoever waits is stopped by something else.
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
    """Ask in a terminal, and take one key: y or Enter is a yes; n, a key that hangs up, or Ctrl-C is a no."""
    if not sys.stdin.isatty():
        return False
    loop = asyncio.get_running_loop()
    interrupted = asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, interrupted.set)
    before = termios.tcgetattr(0)
    tty.setcbreak(0, termios.TCSADRAIN)  # What is pressed meanwhile counts, too.
    print(question, end="", flush=True)
    try:
        while True:
            key, no = asyncio.create_task(_wait_readable(0)), asyncio.create_task(interrupted.wait())
            await asyncio.wait((key, no), return_when=asyncio.FIRST_COMPLETED)
            pressed = (os.read(0, 1).decode("ascii", "replace").lower() if key.done() else "") or "n"
            for task in (key, no):
                task.cancel()
            if pressed in YES_KEYS or pressed in NO_KEYS:
                return pressed in YES_KEYS
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        print()


async def _wait_readable(descriptor: int) -> None:
    """Wait until a read would not block. Regular files never block, and selectors refuse them."""
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
