"""The port to one call: what a menu may ask of a phone, whatever carries it.

Times and positions are milliseconds. A position is where in the joined length of the sounds the playing stands, so
several files of one list (an intro and its message) are one stretch of time to the menu.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from ivr.audio import wav
from ivr.audio.sound import Sound
from ivr.call.incoming import IncomingCall
from ivr.call.journal import Journal
from ivr.call.typeahead import Typeahead

T = TypeVar("T")

ALL_KEYS = "0123456789*#"
NO_KEYS = ""
TERMINATOR = "#"
FIRST_DIGIT_TIMEOUT_MS = 5000
"""How long a person may think before the first key, from the end of the prompt (kazoo-behaviour §1.9)."""
INTERDIGIT_TIMEOUT_MS = 2000
"""How long between two keys of one entry (kazoo-behaviour §1.9)."""


@dataclass(frozen=True, slots=True)
class PlayResult:
    """How playing ended: by `key`, or on its own (None), at `position_ms`."""

    key: str | None
    position_ms: int
    typed_ahead: bool = False
    """The key had been pressed before: nothing was heard."""


class DigitsEndReason(StrEnum):
    TERMINATOR = "terminator"
    MAX_DIGITS = "length"
    TIMEOUT = "silence"


@dataclass(frozen=True, slots=True)
class DigitsResult:
    """What somebody typed, without the terminator."""

    digits: str
    end_reason: DigitsEndReason


class RecordEndReason(StrEnum):
    KEY = "key"
    SILENCE = "silence"
    MAX_LENGTH = "length"


@dataclass(frozen=True, slots=True)
class RecordResult:
    """How a recording ended, and how long it is."""

    end_reason: RecordEndReason
    length_ms: int


LENGTH_TOLERANCE_MS = 500
"""A recording is as long as it may be if no more than this is missing. What silence ended is shorter by more: a second
of it stays, and silence that lasted longer than that is cut off its end."""


class Call(ABC):
    """One call. Every method raises `HungUp` when the caller is gone, except `work` and `finish`.

    A transport implements the methods that begin with an underscore; keys it hears while nothing waits for one go to
    `self.typeahead`.
    """

    def __init__(self, incoming: IncomingCall, journal: Journal, typeahead: Typeahead) -> None:
        self.incoming = incoming
        self.journal = journal
        self.typeahead = typeahead
        self.answered = False

    async def play(self, sounds: Sequence[Sound], keys: str = ALL_KEYS, position_ms: int = 0) -> PlayResult:
        """Play `sounds` as one stretch from `position_ms`, until a key of `keys` or the end.

        A key typed ahead ends it before it begins. With no keys, what is pressed meanwhile goes unheard.
        """
        if keys and (key := self._take_typed_ahead_key(keys)):
            return PlayResult(key, position_ms, typed_ahead=True)
        start_ms = 0
        for sound in sounds:
            end_ms = start_ms + sound.length_ms
            if position_ms < end_ms or sound is sounds[-1]:
                self.journal.note_playback(sound.text, max(0, position_ms - start_ms))
                played = await self._play_file(sound, keys, max(0, position_ms - start_ms))
                if played.key:
                    self.journal.note_key(played.key)
                    return replace(played, position_ms=start_ms + played.position_ms)
                position_ms = end_ms
            start_ms = end_ms
        return PlayResult(None, position_ms)

    async def wait_for_key(self, timeout_ms: int, keys: str = ALL_KEYS) -> str | None:
        """Wait at most `ms` for a key of `keys`."""
        if key := self._take_typed_ahead_key(keys):
            return key
        key = await self._wait_for_key(timeout_ms, keys)
        if key:
            self.journal.note_key(key)
        return key

    async def collect_digits(
        self,
        sounds: Sequence[Sound],
        max_digits: int,
        *,
        first_digit_timeout_ms: int = FIRST_DIGIT_TIMEOUT_MS,
        interdigit_timeout_ms: int = INTERDIGIT_TIMEOUT_MS,
        secret: bool = False,
    ) -> DigitsResult:
        """Play `sounds` and collect up to `longest` digits, ended by `#` or a pause (kazoo-behaviour §1.9).

        The first key cuts the prompt. A `#` that follows an entry complete by its length is swallowed. With `secret`
        the journal gets a mark for each key instead of the key.
        """
        with self.journal.mask_keys(secret):
            key = (await self.play(sounds)).key or await self.wait_for_key(first_digit_timeout_ms)
            digits = ""
            while key and key != TERMINATOR:
                digits += key
                if len(digits) >= max_digits:
                    self.typeahead.swallow(TERMINATOR, window_ms=interdigit_timeout_ms)
                    return DigitsResult(digits, DigitsEndReason.MAX_DIGITS)
                key = await self.wait_for_key(interdigit_timeout_ms)
            return DigitsResult(digits, DigitsEndReason.TERMINATOR if key else DigitsEndReason.TIMEOUT)

    def push_back(self, key: str) -> None:
        """Give back a key that cut one prompt but belongs to the next."""
        self.journal.retract_key()
        self.typeahead.push_back(key)

    def flush_digits(self) -> None:
        """Empty the type-ahead buffer: what follows was typed for a way that is now closed."""
        if forgotten := self.typeahead.clear():
            self.journal.note("keys forgotten", count=forgotten)

    async def record(self, path: Path, *, max_length_ms: int, silence_ms: int) -> RecordResult:
        """Record the caller into `path` (a .wav that must not exist), until a key, `silence_ms` of silence, or
        `longest_ms`. The key that ends it means nothing else."""
        self.flush_digits()
        self.journal.note("recording", longest_ms=max_length_ms, silence_ms=silence_ms)
        by_key = await self._record(path, max_length_ms, silence_ms)
        length_ms = await asyncio.to_thread(_recording_length_ms, path)
        recorded = RecordResult(_end_reason(by_key, length_ms, max_length_ms, silence_ms), length_ms)
        self.journal.note("recorded", ended_by=recorded.end_reason, length_ms=length_ms)
        return recorded

    async def run_while_listening(self, awaitable: Awaitable[T]) -> T:
        """Await `job` while the call goes on listening; keys pressed meanwhile are typed ahead.

        A hang-up meanwhile is left for the next method to raise: a job once begun is finished.
        """
        return await awaitable

    async def answer(self) -> None:
        """Pick up, and begin to listen: before anything else (kazoo-behaviour §1.1). Nothing, once it is done."""
        if not self.answered:
            await self._answer()
            self.answered = True

    @abstractmethod
    async def send_progress(self) -> None:
        """Begin to listen and play without picking up (early media); `answer` may follow at any time."""

    @abstractmethod
    async def _answer(self) -> None:
        """Pick up."""

    @abstractmethod
    async def get_variable(self, name: str) -> str:
        """The value of a channel variable, "" where there is none."""

    @abstractmethod
    async def set_variable(self, name: str, value: str) -> None:
        """Set a channel variable for the dialplan, to a plain word: what a transport cannot carry is passed over.

        Works after a hang-up too; raises nothing.
        """

    @abstractmethod
    async def extension_exists(self, context: str, extension: str) -> bool:
        """Whether the dialplan has `extension` in `context`, exactly or by a pattern."""

    @abstractmethod
    async def continue_at(self, context: str, extension: str) -> None:
        """After `finish`, the dialplan goes on at `context`, `extension`, 1."""

    @abstractmethod
    async def hang_up(self) -> None:
        """End the call."""

    @abstractmethod
    async def return_to_dialplan(self, status: str) -> None:
        """The last act: tell the dialplan how it ended (IVR_STATUS). Works after a hang-up too."""

    @abstractmethod
    async def _play_file(self, sound: Sound, keys: str, start_ms: int) -> PlayResult:
        """Play one file from `start_ms`, until a key of `keys`; the position is one within this file."""

    @abstractmethod
    async def _wait_for_key(self, timeout_ms: int, keys: str) -> str | None:
        """Wait in silence for a key."""

    @abstractmethod
    async def _record(self, path: Path, max_length_ms: int, silence_ms: int) -> bool:
        """Record into `path`; whether a key ended it."""

    def _take_typed_ahead_key(self, keys: str) -> str | None:
        while key := self.typeahead.pop():
            self.journal.note_key(key)
            if key in keys:
                return key
        return None


def _recording_length_ms(path: Path) -> int:
    try:
        return wav.length_ms(path)
    except OSError:
        return 0


def _end_reason(ended_by_key: bool, length_ms: int, max_length_ms: int, silence_ms: int) -> RecordEndReason:
    """Asterisk says "timeout" for silence and for the longest length; which one it was follows from the limits."""
    if ended_by_key:
        return RecordEndReason.KEY
    full = not silence_ms or length_ms >= max_length_ms - LENGTH_TOLERANCE_MS
    return RecordEndReason.MAX_LENGTH if full else RecordEndReason.SILENCE
