"""A call that follows a script, with a simulated clock: for tests of menus.

The script is a list of steps. Each step waits until it applies; after the last one the caller stays silent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ivr.audio import wav
from ivr.audio.formats import Sound
from ivr.call.base import Call, PlayResult
from ivr.call.incoming import IncomingCall
from ivr.call.journal import Journal
from ivr.call.typeahead import Typeahead
from ivr.errors import HungUp, RecordingFailed, UnplayableSound
from tests.support.speech import speech_pcm

MAX_OPERATIONS = 5000
"""Sounds and waits after which the menus are considered to be in an endless loop."""


@dataclass(frozen=True, slots=True)
class Press:
    """Press `keys` at once, `after_ms` into the next sound or wait.

    `during`: only in a sound whose text contains it.
    """

    keys: str
    during: str | None = None
    after_ms: int = 0


@dataclass(frozen=True, slots=True)
class HangUp:
    """Hang up `after_ms` into the next sound or wait. `during`: only in a sound whose text contains it."""

    during: str | None = None
    after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Silence:
    """Let one wait for a key time out."""


@dataclass(frozen=True, slots=True)
class Speak:
    """Speak into the next recording for `ms`, then end it. `then`: "key", "silence", "hang-up" or "failure".

    `pcm`: the samples that are recorded, in place of speech.
    """

    ms: int
    then: str = "key"
    pcm: bytes | None = None


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Await `action` when a sound whose text contains `during` starts."""

    during: str
    action: Callable[[], Awaitable[object]]


ScriptStep = Press | HangUp | Silence | Speak | Meanwhile


@dataclass(frozen=True, slots=True)
class HeardSound:
    """A part of a sound that the caller heard, in milliseconds."""

    text: str
    from_ms: int
    to_ms: int


class ScriptedCall(Call):
    """A call without a transport.

    `advance_clock(ms)` is called for the time that sounds, waits and recordings take. `hang_up_at_operation`: the
    number of the operation at which the caller hangs up.
    """

    def __init__(
        self,
        script: Iterable[ScriptStep],
        incoming: IncomingCall,
        monotonic: Callable[[], float],
        advance_clock: Callable[[int], None],
        hang_up_at_operation: int | None = None,
        variables: dict[str, str] | None = None,
    ) -> None:
        super().__init__(incoming, Journal(monotonic), Typeahead(monotonic))
        self.heard_sounds: list[HeardSound] = []
        self.status: str | None = None
        self.variables_set: dict[str, str] = {}
        self.continue_target: tuple[str, str] | None = None
        self.sounds_before_answer = 0
        """How many sounds were played before the call was answered; all of them if it never was."""
        self.hangup_event = False
        self.operation_count = 0
        self.extensions: set[tuple[str, str]] = set()
        self.unplayable: tuple[str, ...] = ()
        """Texts of sounds that Asterisk cannot play."""
        self._script = deque(script)
        self._advance_clock = advance_clock
        self._hang_up_at_operation = hang_up_at_operation
        self._variables = variables or {}

    @property
    def texts(self) -> list[str]:
        """The text of each sound in order, including those that a key interrupted."""
        return [heard.text for heard in self.heard_sounds]

    async def _answer(self) -> None:
        self._count_operation()

    async def send_progress(self) -> None:
        self._count_operation()

    async def get_variable(self, name: str) -> str:
        self._raise_if_hung_up()
        return self.variables_set.get(name, self._variables.get(name, ""))

    async def set_variable(self, name: str, value: str) -> None:
        self.variables_set[name] = value

    async def extension_exists(self, context: str, extension: str) -> bool:
        self._raise_if_hung_up()
        return (context, extension) in self.extensions

    async def continue_at(self, context: str, extension: str) -> None:
        self._count_operation()
        self.continue_target = (context, extension)

    async def hang_up(self) -> None:
        self.hangup_event = True
        raise HungUp

    async def return_to_dialplan(self, status: str) -> None:
        self.status = status

    async def _play_file(self, sound: Sound, keys: str, start_ms: int) -> PlayResult:
        self._count_operation()
        if any(text in sound.text for text in self.unplayable):
            raise UnplayableSound(f"Asterisk cannot play {sound.path}")
        at_ms = start_ms
        while self._script and isinstance(step := self._script[0], Meanwhile) and step.during in sound.text:
            self._script.popleft()
            await step.action()
        while True:
            key, after_ms = self._next_key(max(0, sound.length_ms - at_ms), sound.text, keys)
            at_ms += after_ms
            if key and not (key in keys and self.typeahead.accept(key)):
                continue
            self.heard_sounds.append(HeardSound(sound.text, start_ms, at_ms))
            self.sounds_before_answer += not self.answered
            self._raise_if_hung_up()
            return PlayResult(key, at_ms)

    async def _wait_for_key(self, timeout_ms: int, keys: str) -> str | None:
        self._count_operation()
        while True:
            if self._script and isinstance(self._script[0], Silence):
                self._script.popleft()
                self._advance_clock(timeout_ms)
                return None
            key, _ = self._next_key(timeout_ms, None, keys)
            self._raise_if_hung_up()
            if key is None or (key in keys and self.typeahead.accept(key)):
                return key

    async def _record(self, path: Path, max_length_ms: int, silence_ms: int) -> bool:
        self._count_operation()
        step = Speak(0, "silence")
        if self._script and isinstance(next_step := self._script[0], Speak):
            self._script.popleft()
            step = next_step
        if step.then == "failure":
            raise RecordingFailed("the disk is full")
        spoken_ms = min(step.ms, max_length_ms)
        wav.write(path, speech_pcm(spoken_ms) if step.pcm is None else step.pcm)
        self._advance_clock(spoken_ms)
        self.hangup_event = step.then == "hang-up"
        self._raise_if_hung_up()
        return step.then == "key"

    def _next_key(self, length_ms: int, text: str | None, keys: str) -> tuple[str | None, int]:
        """Return the key pressed within the `length_ms` of a sound with `text`, or of a wait, and the time in ms.

        Without a key: None, and the time at which the sound or wait ends.
        """
        step = self._script[0] if self._script else None
        if not isinstance(step, Press | HangUp) or not self._applies(step, text, keys):
            self._advance_clock(length_ms)
            return None, length_ms
        if step.after_ms >= length_ms > 0:
            self._script[0] = replace(step, after_ms=step.after_ms - length_ms)
            self._advance_clock(length_ms)
            return None, length_ms
        self._script.popleft()
        self._advance_clock(step.after_ms)
        if isinstance(step, HangUp):
            self.hangup_event = True
            return None, step.after_ms
        if not keys:
            return None, length_ms
        for key in step.keys[1:]:
            self.typeahead.put(key)
        return step.keys[0], step.after_ms

    @staticmethod
    def _applies(step: Press | HangUp, text: str | None, keys: str) -> bool:
        if step.during is not None:
            return text is not None and step.during in text
        return bool(keys) or isinstance(step, HangUp)

    def _count_operation(self) -> None:
        self.operation_count += 1
        if self.operation_count > MAX_OPERATIONS:
            raise AssertionError("endless loop in the menus: " + ", ".join(self.texts[-10:]))
        if self.operation_count == self._hang_up_at_operation:
            self.hangup_event = True
        self._raise_if_hung_up()

    def _raise_if_hung_up(self) -> None:
        if self.hangup_event:
            raise HungUp
