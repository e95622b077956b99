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
HOOK = "hq\x03\x04"
"""Keys that hang up: h, q, Ctrl-C, Ctrl-D."""
YES = "y\r\n"
NO = f"n{HOOK}"
PRESS_S = 0.1
"""From one key to the next at least, as fast as fingers: what is pasted is dialled at that pace."""
HELD_S = 0.08
"""A key pressed while nobody listens is kept for so long, as Asterisk does."""
LONGEST_LINE = 4096
"""A terminal takes no more."""
PAUSE = ","
PAUSE_S = 1.0
"""In a pipe, a comma waits a second, as on any dialer."""


class Keyboard:
    """Reads file descriptor 0. In a terminal a key pressed while nobody listens is soon lost, as on a phone; what a
    pipe holds waits until somebody listens."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdin.isatty()
        self.hook = asyncio.Event()
        self._waiting: asyncio.Future[str] | None = None
        self._next_press_at = 0.0
        self._held: tuple[str, float] | None = None
        """A key that nobody has taken yet, and when it was pressed."""
        self._ended = False
        self._before: list[Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether no key can come any more."""
        return self._ended

    def open(self) -> None:
        """Begin to read; in a terminal, key by key and unseen."""
        if self.is_terminal:
            self._before = termios.tcgetattr(0)
            tty.setcbreak(0)
            asyncio.get_running_loop().add_reader(0, self._readable)

    def close(self) -> None:
        """Give the terminal back as it was."""
        if self.is_terminal:
            asyncio.get_running_loop().remove_reader(0)
            if self._before is not None:
                termios.tcsetattr(0, termios.TCSADRAIN, self._before)
                self._before = None

    async def key(self, allowed: str) -> str:
        """The next key of `allowed`. Cancel it to stop listening."""
        while True:
            pressed = await (self._from_terminal() if self.is_terminal else self._from_pipe())
            if pressed in allowed:
                return pressed

    async def line(self) -> str:
        """A line typed in a terminal, "" when the person hangs up instead."""
        self.close()
        hook = asyncio.create_task(self.hook.wait())
        line = asyncio.create_task(_readable(0))
        try:
            await asyncio.wait((hook, line), return_when=asyncio.FIRST_COMPLETED)
            typed = os.read(0, LONGEST_LINE).decode(errors="replace") if line.done() else ""
            if not typed:
                self.hook.set()
            return typed.strip()
        finally:
            for task in (hook, line):
                task.cancel()
            await asyncio.gather(hook, line, return_exceptions=True)
            self.open()

    async def _from_terminal(self) -> str:
        loop = asyncio.get_running_loop()
        held, self._held = self._held, None
        if held and loop.time() - held[1] <= HELD_S:
            return held[0]
        waiting: asyncio.Future[str] = loop.create_future()
        self._waiting = waiting
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():  # It came in the moment of being stopped.
                self._held = waiting.result(), loop.time()
            raise
        finally:
            self._waiting = None

    async def _from_pipe(self) -> str:
        while not self._ended:
            # A byte at a time and only when wanted: what is not wanted yet stays in the pipe.
            await _readable(0)
            pressed = os.read(0, 1).decode("ascii", "replace")
            if not pressed:
                self._ended = True
            elif pressed == PAUSE:
                await asyncio.sleep(PAUSE_S)
            elif pressed in HOOK:
                self.hook.set()
            elif pressed in DIALPAD:
                return pressed
        await asyncio.Event().wait()  # No key will ever come; whoever waits is stopped by something else.
        raise AssertionError

    def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        for pressed in os.read(0, 64).decode("ascii", "replace") or "\x04":
            self._next_press_at = max(loop.time(), self._next_press_at)
            if pressed in HOOK:
                loop.call_at(self._next_press_at, self.hook.set)
            elif pressed in DIALPAD:
                loop.call_at(self._next_press_at, self._press, pressed)
                self._next_press_at += PRESS_S

    def _press(self, key: str) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(key)
        else:
            self._held = key, asyncio.get_running_loop().time()


async def agreed(question: str) -> bool:
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
            key, no = asyncio.create_task(_readable(0)), asyncio.create_task(interrupted.wait())
            await asyncio.wait((key, no), return_when=asyncio.FIRST_COMPLETED)
            pressed = (os.read(0, 1).decode("ascii", "replace").lower() if key.done() else "") or "n"
            for task in (key, no):
                task.cancel()
            if pressed in YES or pressed in NO:
                return pressed in YES
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        print()


async def _readable(descriptor: int) -> None:
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
