"""The interface of one call, which menus use and every transport implements.

Times and positions are milliseconds. A position counts from the start of the first sound of a list, so that several
files (an intro and its message) are one stretch of time for a menu.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import structlog

from ivr.audio import asterisk_recording
from ivr.audio.formats import Sound
from ivr.call.incoming import IncomingCall
from ivr.call.journal import Journal
from ivr.call.typeahead import Typeahead
from ivr.errors import InvalidAudio, UnplayableSound

log = structlog.get_logger()
T = TypeVar("T")

ALL_KEYS = "0123456789*#"
NO_KEYS = ""
TERMINATOR = "#"
CANCEL_KEY = "*"
"""Leaves every entry of digits."""
FIRST_DIGIT_TIMEOUT_MS = 5000
"""Milliseconds from the end of the prompt to the first key, as in Kazoo."""
INTERDIGIT_TIMEOUT_MS = 2000
"""Milliseconds between two keys of one entry, as in Kazoo."""
REPEAT_WINDOW_MS = 300
"""Milliseconds from the start of the next sound, in which a repeated key counts once (`Call.ignore_repeats`)."""
MAX_SURPLUS_KEYS = 100
"""Keys behind the longest valid entry, after which a stuck key no longer prolongs it."""


@dataclass(frozen=True, slots=True)
class PlayResult:
    """How playback ended: by `key`, or at its end (None), at `position_ms`."""

    key: str | None
    position_ms: int
    typed_ahead: bool = False
    """The key had been pressed before: nothing was played."""


class DigitsEndReason(StrEnum):
    TERMINATOR = "terminator"
    TIMEOUT = "silence"
    TOO_LONG = "length"
    """More digits than the longest valid entry has; the result holds one digit too many."""
    CANCELLED = "cancelled"
    """The caller pressed `*`; the result has no digits."""


@dataclass(frozen=True, slots=True)
class DigitsResult:
    """The digits that were entered, without the terminator."""

    digits: str
    end_reason: DigitsEndReason

    @property
    def is_cancelled(self) -> bool:
        return self.end_reason is DigitsEndReason.CANCELLED

    @property
    def is_too_long(self) -> bool:
        return self.end_reason is DigitsEndReason.TOO_LONG


class RecordEndReason(StrEnum):
    KEY = "key"
    SILENCE = "silence"
    MAX_LENGTH = "length"


@dataclass(frozen=True, slots=True)
class RecordResult:
    """How a recording ended, and its length."""

    end_reason: RecordEndReason
    length_ms: int


LENGTH_TOLERANCE_MS = 500
"""A recording counts as ended by its maximum length if it is at most this much shorter. One that silence ended is
shorter by more: one second of the silence stays, and the rest is cut off its end."""


class Call(ABC):
    """One call. Every method raises `HungUp` when the caller has hung up, except `run_while_listening`, `set_variable`
    and `return_to_dialplan`.

    A transport implements the abstract methods. Keys that arrive while no method waits for one go to `self.typeahead`.
    """

    def __init__(self, incoming: IncomingCall, journal: Journal, typeahead: Typeahead) -> None:
        self.incoming = incoming
        self.journal = journal
        self.typeahead = typeahead
        self.answered = False

    async def play(self, sounds: Sequence[Sound], keys: str = ALL_KEYS, position_ms: int = 0) -> PlayResult:
        """Play `sounds` as one stretch from `position_ms`, until a key of `keys` or the end.

        A key typed ahead ends it before it begins. With no `keys`, keys pressed meanwhile are ignored.
        """
        self.typeahead.begin_repeat_window(REPEAT_WINDOW_MS)
        if keys and (key := self._take_typed_ahead_key(keys)):
            return PlayResult(key, position_ms, typed_ahead=True)
        start_ms = 0
        for sound in sounds:
            end_ms = start_ms + sound.length_ms
            if position_ms < end_ms or sound is sounds[-1]:
                self.journal.note_playback(sound.text, max(0, position_ms - start_ms))
                played = await self._play_or_skip(sound, keys, max(0, position_ms - start_ms))
                if played.key:
                    self.journal.note_key(played.key)
                    return replace(played, position_ms=start_ms + played.position_ms)
                position_ms = end_ms
            start_ms = end_ms
        return PlayResult(None, position_ms)

    async def _play_or_skip(self, sound: Sound, keys: str, start_ms: int) -> PlayResult:
        """Play one file. A prompt that Asterisk cannot play costs that prompt, not the call."""
        try:
            return await self._play_file(sound, keys, start_ms)
        except UnplayableSound as error:
            if not sound.is_prompt:
                raise
            log.error("call.prompt_skipped", prompt=sound.text, reason=str(error))
            self.journal.note("prompt skipped", text=sound.text)
            return PlayResult(None, start_ms)

    async def wait_for_key(self, timeout_ms: int, keys: str = ALL_KEYS) -> str | None:
        """Wait up to `timeout_ms` for a key of `keys`; return None if none is pressed."""
        self.typeahead.begin_repeat_window(REPEAT_WINDOW_MS)
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
        """Play `sounds` and collect digits until `#`, a pause, or `*`, which cancels the entry.

        The first key stops the prompt. `max_digits`: length of the longest valid entry. Digits behind it are part of
        the entry, which is then too long; they never reach the menu that follows. With `secret`, the journal contains
        a mark for each key instead of the key.
        """
        self.typeahead.count_repeated_digits()
        with self.journal.mask_keys(secret):
            key = (await self.play(sounds)).key or await self.wait_for_key(first_digit_timeout_ms)
            return await self.collect_from(key, max_digits, interdigit_timeout_ms=interdigit_timeout_ms)

    async def collect_from(self, key: str | None, max_digits: int, *, interdigit_timeout_ms: int) -> DigitsResult:
        """Collect the entry that begins with `key`, which has been pressed; None is an empty entry."""
        digits = ""
        while key and key not in (TERMINATOR, CANCEL_KEY) and len(digits) < max_digits + MAX_SURPLUS_KEYS:
            digits += key
            with self.journal.one_entry():
                key = await self.wait_for_key(interdigit_timeout_ms)
        if key in (TERMINATOR, CANCEL_KEY):
            self.ignore_repeats(key)
        if key == CANCEL_KEY:
            return DigitsResult("", DigitsEndReason.CANCELLED)
        if len(digits) > max_digits:
            return DigitsResult(digits[: max_digits + 1], DigitsEndReason.TOO_LONG)
        return DigitsResult(digits, DigitsEndReason.TERMINATOR if key else DigitsEndReason.TIMEOUT)

    def ignore_repeats(self, key: str) -> None:
        """Let a repetition of `key` count only if it comes `REPEAT_WINDOW_MS` after the next sound has begun.

        Phones and gateways sometimes send one press twice, and impatient callers press twice. A menu calls this for
        each key whose repetition would do harm.
        """
        self.typeahead.ignore_repeats(key)

    def push_back(self, key: str) -> None:
        """Return a key that stopped one prompt but belongs to the next."""
        self.journal.retract_key()
        self.typeahead.push_back(key)

    def flush_digits(self) -> None:
        """Empty the type-ahead buffer: the keys were meant for a menu that will not follow."""
        if count := self.typeahead.clear():
            self.journal.note_forgotten_keys(count)

    async def record(self, path: Path, *, max_length_ms: int, silence_ms: int) -> RecordResult:
        """Record the caller into `path`, a .wav file that must not exist.

        Ended by any key, by `silence_ms` of silence (0 disables that) or after `max_length_ms`. The key that ends it
        has no other effect.
        """
        self.flush_digits()
        self.journal.note("recording", longest_ms=max_length_ms, silence_ms=silence_ms)
        by_key = await self._record(path, max_length_ms, silence_ms)
        length_ms = await asyncio.to_thread(_recording_length_ms, path)
        recorded = RecordResult(_end_reason(by_key, length_ms, max_length_ms, silence_ms), length_ms)
        self.journal.note("recorded", ended_by=recorded.end_reason, length_ms=length_ms)
        return recorded

    async def run_while_listening(self, awaitable: Awaitable[T]) -> T:
        """Await `awaitable` while the call listens; keys pressed meanwhile are typed ahead.

        A hang-up does not interrupt it; the next method raises `HungUp`.
        """
        return await awaitable

    async def answer(self) -> None:
        """Answer the call and start to listen. Does nothing if the call is answered already."""
        if not self.answered:
            await self._answer()
            self.answered = True

    @abstractmethod
    async def send_progress(self) -> None:
        """Start to play and listen without answering (early media); `answer` may follow at any time."""

    @abstractmethod
    async def _answer(self) -> None:
        """Answer the call."""

    @abstractmethod
    async def get_variable(self, name: str) -> str:
        """Return the value of a channel variable, "" if it is not set."""

    @abstractmethod
    async def set_variable(self, name: str, value: str) -> None:
        """Set a channel variable for the dialplan. A value that the transport cannot carry is not set.

        Also possible after a hang-up; raises nothing.
        """

    @abstractmethod
    async def extension_exists(self, context: str, extension: str) -> bool:
        """Return whether the dialplan has `extension` in `context`, literally or by a pattern."""

    @abstractmethod
    async def continue_at(self, context: str, extension: str) -> None:
        """Let the dialplan continue at `context`, `extension`, 1 after `return_to_dialplan`."""

    @abstractmethod
    async def hang_up(self) -> None:
        """End the call."""

    @abstractmethod
    async def return_to_dialplan(self, status: str) -> None:
        """End the service's part of the call: set IVR_STATUS and return the channel. Also possible after a hang-up."""

    @abstractmethod
    async def _play_file(self, sound: Sound, keys: str, start_ms: int) -> PlayResult:
        """Play one file from `start_ms`, until a key of `keys`; the position is within this file."""

    @abstractmethod
    async def _wait_for_key(self, timeout_ms: int, keys: str) -> str | None:
        """Play silence until a key of `keys` is pressed, or for `timeout_ms`."""

    @abstractmethod
    async def _record(self, path: Path, max_length_ms: int, silence_ms: int) -> bool:
        """Record into `path`; return whether a key ended it."""

    def _take_typed_ahead_key(self, keys: str) -> str | None:
        while key := self.typeahead.pop():
            self.journal.note_key(key, typed_ahead=True)
            if key in keys:
                return key
        return None


def _recording_length_ms(path: Path) -> int:
    try:
        return asterisk_recording.length_ms(path)
    except (OSError, InvalidAudio):
        return 0


def _end_reason(ended_by_key: bool, length_ms: int, max_length_ms: int, silence_ms: int) -> RecordEndReason:
    """Return why a recording ended. Asterisk reports "timeout" for silence and for the maximum length; the limits
    tell."""
    if ended_by_key:
        return RecordEndReason.KEY
    full = not silence_ms or length_ms >= max_length_ms - LENGTH_TOLERANCE_MS
    return RecordEndReason.MAX_LENGTH if full else RecordEndReason.SILENCE
