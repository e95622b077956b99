"""What people do in a run. Each story sets marks when something begins to count, and writes down what was announced.

A story knows nothing of the crash: it ends early, by not hearing what it waits for. To add one, write a class and put
it into `STORIES`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from random import Random
from time import monotonic
from typing import Any, ClassVar

from tests.asterisk.conftest import Conversation, Person, Recorded
from tests.faults.ledger import Filed, Forwarded, Greeting, Ledger, Spoken
from tests.sipphone.speech import speech

AT_ONCE: dict[str, Any] = {"skip_greeting": True, "skip_instructions": True}
"""Callers hear the beep as soon as they are answered."""


class Story(ABC):
    """One call. A kill may be timed from any of its `MARKS`, or from its beginning."""

    NAME: ClassVar[str]
    MARKS: ClassVar[tuple[str, ...]]
    LASTS_S: ClassVar[float]

    def __init__(self, owner: Person, other: Person, ledger: Ledger, random: Random) -> None:
        self.owner = owner
        self.other = other
        self.ledger = ledger
        self.random = random
        self.marks = {mark: asyncio.Event() for mark in self.MARKS}
        self.call: Conversation | None = None

    def prepare(self) -> None:
        """Everybody moves in."""
        self.owner.moves_in(**AT_ONCE)
        self.other.moves_in(**AT_ONCE)

    @abstractmethod
    async def act(self) -> None:
        """The call."""

    async def dials(self, person: Person, number: str) -> Conversation:
        self.call = await person.dials(number)
        return self.call

    async def speaks(self, call: Conversation, box: str, note: Callable[[Spoken], None]) -> Spoken:
        """Hear the beep out and talk. It is noted with the first word: it counts even if the call comes no further."""
        await call.hears("tone/beep", whole=True)
        samples = speech(self.random.randrange(10**6), round(1000 * self.random.uniform(3, 11)))
        spoken = Spoken(box, samples, monotonic())
        note(spoken)
        self.ledger.recording = True
        self.marks["talking"].set()
        await call.says(samples)
        spoken.ended_s = monotonic()
        self.ledger.recording = False
        return spoken

    def has_messages(self, number: int) -> list[Recorded]:
        """The owner has so many, the newest first."""
        found = [self.owner.has_message(s=1.5, age_s=3600 * (n + 1)) for n in range(number)]
        self.ledger.there_before += [(self.owner.number, message.id) for message in found]
        return found


class LeavesAndHangsUp(Story):
    NAME = "leaving a message and hanging up"
    MARKS: ClassVar[tuple[str, ...]] = ("talking", "hanging up")
    LASTS_S = 10

    async def act(self) -> None:
        call = await self.dials(self.other, self.owner.number)
        await self.speaks(call, self.owner.number, self.ledger.spoken.append)
        self.marks["hanging up"].set()
        await call.hang_up()


class LeavesAndSaves(Story):
    NAME = "leaving a message and saving it"
    MARKS: ClassVar[tuple[str, ...]] = ("talking", "reviewing", "saving")
    LASTS_S = 14

    async def act(self) -> None:
        call = await self.dials(self.other, self.owner.number)
        spoken = await self.speaks(call, self.owner.number, self.ledger.spoken.append)
        await call.press("#")
        self.marks["reviewing"].set()
        await call.hears("to/save-recording")
        self.marks["saving"].set()
        await call.press("1")
        await call.hears("done/message-left")
        spoken.announced = True
        await call.hears("done/thank-you")
        await call.ends()


class Saves(Story):
    NAME = "saving messages"
    MARKS: ClassVar[tuple[str, ...]] = ("first", "second", "third")
    LASTS_S = 15
    KEY, FOLDER, TOLD = "1", "saved", "done/saved"

    def prepare(self) -> None:
        super().prepare()
        self._messages = self.has_messages(3)

    async def act(self) -> None:
        call = await self.dials(self.owner, "*97")
        for message, mark in zip(self._messages, self.MARKS, strict=True):
            await call.hears(message)
            self.marks[mark].set()
            await call.press(self.KEY)
            await call.hears(self.TOLD)
            self.ledger.filed.append(Filed(self.owner.number, message.id, self.FOLDER))
        await call.hang_up()


class Deletes(Saves):
    NAME = "deleting messages"
    KEY, FOLDER, TOLD = "7", "deleted", "done/deleted"


class Forwards(Story):
    NAME = "forwarding a message"
    MARKS: ClassVar[tuple[str, ...]] = ("sending",)
    LASTS_S = 10

    def prepare(self) -> None:
        super().prepare()
        [self._message] = self.has_messages(1)

    async def act(self) -> None:
        call = await self._dial_to_the_other()
        self.ledger.forwarded.append(sent := Forwarded(self.other.number, self._message.samples))
        self.marks["sending"].set()
        await call.hears("done/forwarded")
        sent.announced = True
        await call.hang_up()

    async def _dial_to_the_other(self) -> Conversation:
        call = await self.dials(self.owner, "*97")
        await call.hears(self._message)
        await call.press("3")
        await call.hears("forward/enter-box")
        await call.press(f"{self.other.number}#")
        return call


class ForwardsWithAnIntro(Forwards):
    NAME = "forwarding a message with an introduction"
    MARKS: ClassVar[tuple[str, ...]] = ("talking", "sending")
    LASTS_S = 20

    def prepare(self) -> None:
        self.owner.moves_in(vm_message_forward_type="prepend_forward")
        self.other.moves_in(**AT_ONCE)
        [self._message] = self.has_messages(1)

    async def act(self) -> None:
        call = await self._dial_to_the_other()
        await call.hears("to/prepend")
        await call.press("1")
        self.ledger.forwarded.append(sent := Forwarded(self.other.number, self._message.samples))
        sent.intro = await self.speaks(call, self.other.number, lambda spoken: setattr(sent, "intro", spoken))
        await call.press("#")
        await call.hears("to/save-recording")
        self.marks["sending"].set()
        await call.press("1")
        await call.hears("done/forwarded")
        sent.announced = sent.intro.announced = True
        await call.hang_up()


class RecordsAGreeting(Story):
    NAME = "recording a greeting"
    MARKS: ClassVar[tuple[str, ...]] = ("talking", "reviewing", "using")
    LASTS_S = 25

    async def act(self) -> None:
        call = await self.dials(self.owner, "*97")
        for heard, key in (("to/configure", "5"), ("to/record-unavailable", "1"), ("settings/record-greeting", "1")):
            await call.hears(heard)
            await call.press(key)
        spoken = await self.speaks(
            call, self.owner.number, lambda spoken: self.ledger.greetings.append(Greeting(spoken))
        )
        await call.press("#")
        self.marks["reviewing"].set()
        await call.hears("to/use-recording")
        self.ledger.greetings[0].chosen = True
        self.marks["using"].set()
        await call.press("1")
        await call.hears("done/saved")
        spoken.announced = True
        await call.hang_up()


STORIES: tuple[type[Story], ...] = (
    LeavesAndHangsUp, LeavesAndSaves, Saves, Deletes, Forwards, ForwardsWithAnIntro, RecordsAGreeting,
)  # fmt: skip
