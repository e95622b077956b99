"""A call that follows a script, in no time at all: for tests of menus.

The script is a list of steps, each waiting for its moment; when it is used up, the caller stays silent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ivr.audio import wav
from ivr.audio.sound import Sound
from ivr.call.arrival import Arrival
from ivr.call.journal import Journal
from ivr.call.port import Call, Played
from ivr.call.typeahead import Typeahead
from ivr.errors import HungUp

ENDLESS = 5000
"""Sounds and waits after which a script is taken to run in circles."""


@dataclass(frozen=True, slots=True)
class Press:
    """Press `keys` in one go, `after_ms` into the next sound or wait; with `during`, into one whose text has it."""

    keys: str
    during: str | None = None
    after_ms: int = 0


@dataclass(frozen=True, slots=True)
class HangUp:
    """Hang up at that moment."""

    during: str | None = None
    after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Silence:
    """Let one wait for a key run out."""


@dataclass(frozen=True, slots=True)
class Speak:
    """Talk into the next recording for `ms`, then end it: by a key, by falling silent, or by hanging up."""

    ms: int
    then: str = "key"


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Something else happens in the world when a sound with this text begins."""

    during: str
    do: Callable[[], Awaitable[object]]


Step = Press | HangUp | Silence | Speak | Meanwhile


@dataclass(frozen=True, slots=True)
class Heard:
    """A stretch of a sound that the caller heard."""

    text: str
    from_ms: int
    to_ms: int


class ScriptedCall(Call):
    """`pass_time(ms)` is told of the time that passes. `hang_up_at`: the number of the moment at which to hang up."""

    def __init__(
        self,
        script: Iterable[Step],
        arrival: Arrival,
        monotonic: Callable[[], float],
        pass_time: Callable[[int], None],
        hang_up_at: int | None = None,
        variables: dict[str, str] | None = None,
    ) -> None:
        super().__init__(arrival, Journal(monotonic), Typeahead(monotonic))
        self.heard: list[Heard] = []
        self.status: str | None = None
        self.told: dict[str, str] = {}
        self.branch: tuple[str, str] | None = None
        self.heard_early = 0
        """How many sounds had been heard when it was answered; all of them, where it never was."""
        self.hung_up = False
        self.moments = 0
        self.extensions: set[tuple[str, str]] = set()
        self._script = deque(script)
        self._pass_time = pass_time
        self._hang_up_at = hang_up_at
        self._variables = variables or {}

    @property
    def texts(self) -> list[str]:
        """What was heard, in order, also where a key cut it."""
        return [heard.text for heard in self.heard]

    async def _answer(self) -> None:
        self._moment()

    async def ring(self) -> None:
        self._moment()

    async def variable(self, name: str) -> str:
        self._check_hung_up()
        return self.told.get(name, self._variables.get(name, ""))

    async def tell(self, name: str, value: str) -> None:
        self.told[name] = value

    async def extension_exists(self, context: str, extension: str) -> bool:
        self._check_hung_up()
        return (context, extension) in self.extensions

    async def leave(self, context: str, extension: str) -> None:
        self._moment()
        self.branch = (context, extension)

    async def hang_up(self) -> None:
        self.hung_up = True
        raise HungUp

    async def finish(self, status: str) -> None:
        self.status = status

    async def _stream(self, sound: Sound, keys: str, start_ms: int) -> Played:
        self._moment()
        at_ms = start_ms
        while self._script and isinstance(step := self._script[0], Meanwhile) and step.during in sound.text:
            self._script.popleft()
            await step.do()
        while True:
            key, after_ms = self._within(max(0, sound.length_ms - at_ms), sound.text, keys)
            at_ms += after_ms
            if key and not (key in keys and self.typeahead.accepts(key)):
                continue
            self.heard.append(Heard(sound.text, start_ms, at_ms))
            self.heard_early += not self.answered
            self._check_hung_up()
            return Played(key, at_ms)

    async def _listen(self, ms: int, keys: str) -> str | None:
        self._moment()
        while True:
            if self._script and isinstance(self._script[0], Silence):
                self._script.popleft()
                self._pass_time(ms)
                return None
            key, _ = self._within(ms, None, keys)
            self._check_hung_up()
            if key is None or (key in keys and self.typeahead.accepts(key)):
                return key

    async def _record(self, path: Path, longest_ms: int, silence_ms: int) -> bool:
        self._moment()
        step = Speak(0, "silence")
        if self._script and isinstance(said := self._script[0], Speak):
            self._script.popleft()
            step = said
        spoken_ms = min(step.ms, longest_ms)
        wav.write(path, b"\x10\x01" * (spoken_ms * wav.SAMPLES_PER_MS))
        self._pass_time(spoken_ms)
        self.hung_up = step.then == "hang-up"
        self._check_hung_up()
        return step.then == "key"

    def _within(self, length_ms: int, text: str | None, keys: str) -> tuple[str | None, int]:
        """The key that comes within `length_ms` of a sound with `text` (or of a wait), and when; else when it ends."""
        step = self._script[0] if self._script else None
        if not isinstance(step, Press | HangUp) or not self._is_moment_of(step, text, keys):
            self._pass_time(length_ms)
            return None, length_ms
        if step.after_ms >= length_ms > 0:
            self._script[0] = replace(step, after_ms=step.after_ms - length_ms)
            self._pass_time(length_ms)
            return None, length_ms
        self._script.popleft()
        self._pass_time(step.after_ms)
        if isinstance(step, HangUp):
            self.hung_up = True
            return None, step.after_ms
        if not keys:
            return None, length_ms
        for key in step.keys[1:]:
            self.typeahead.put(key)
        return step.keys[0], step.after_ms

    @staticmethod
    def _is_moment_of(step: Press | HangUp, text: str | None, keys: str) -> bool:
        if step.during is not None:
            return text is not None and step.during in text
        return bool(keys) or isinstance(step, HangUp)

    def _moment(self) -> None:
        self.moments += 1
        if self.moments > ENDLESS:
            raise AssertionError("the menus run in circles: " + ", ".join(self.texts[-10:]))
        if self.moments == self._hang_up_at:
            self.hung_up = True
        self._check_hung_up()

    def _check_hung_up(self) -> None:
        if self.hung_up:
            raise HungUp
