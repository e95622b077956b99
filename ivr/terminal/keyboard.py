"""The keys of the handset: single keys from a terminal, taken at once, or the characters of a pipe."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

DIALPAD = "0123456789*#"
HOOK = "hq\x03\x04"
"""Keys that hang up: h, q, Ctrl-C, Ctrl-D."""
PAUSE = ","
PAUSE_S = 1.0
"""In a pipe, a comma waits a second, as on any dialer."""


class Keyboard:
    """Reads file descriptor 0. In a terminal a key pressed while nobody listens is lost, as on a phone; what a pipe
    holds waits until somebody listens."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdin.isatty()
        self.hook = asyncio.Event()
        self._waiting: asyncio.Future[str] | None = None
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

    @contextmanager
    def as_lines(self) -> Iterator[None]:
        """Inside, the terminal takes whole lines again."""
        self.close()
        try:
            yield
        finally:
            self.open()

    async def _from_terminal(self) -> str:
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            return await self._waiting
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
        for pressed in os.read(0, 64).decode("ascii", "replace") or "\x04":
            if pressed in HOOK:
                self.hook.set()
            elif self._waiting and not self._waiting.done() and pressed in DIALPAD:
                self._waiting.set_result(pressed)


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
