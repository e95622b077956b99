"""What people do in a run. Each story sets marks when something begins to count, and writes down what was announced.

A story knows nothing of the crash: it ends early, by not hearing what it waits for. To add one, write a class and put
it into `STORIES`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from random import Random
from time import monotonic
from typing import Any, ClassVar

from tests.asterisk.conftest import PhoneUser, RecognisedCall, SpokenMessage
from tests.faults.expectations import Expectations, ExpectedFolder, ExpectedForward, ExpectedGreeting, ExpectedRecording
from tests.lab.sip_phone import ClipNotHeard, NotHungUp, RequestRejected, SipTimeout
from tests.lab.sip_phone.speech import speech

IMMEDIATE_PLAYBACK: dict[str, Any] = {"skip_greeting": True, "skip_instructions": True}
"""Callers hear the beep as soon as they are answered."""
SCENARIO_TIMEOUT_S = 25.0

# What a person meets whose call dies.
ENDED_EARLY = (ClipNotHeard, NotHungUp, SipTimeout, RequestRejected, ConnectionError, TimeoutError)


class Scenario(ABC):
    """One call. A kill may be timed from any of its `MARKS`, or from its beginning."""

    NAME: ClassVar[str]
    MARKS: ClassVar[tuple[str, ...]]
    DURATION_S: ClassVar[float]
    IS_CALL_OF_OWNER: ClassVar[bool] = True
    """Whether the owner of the mailbox calls; the other one, if not."""

    def __init__(self, owner: PhoneUser, other: PhoneUser, expectations: Expectations, random: Random) -> None:
        self.owner = owner
        self.other = other
        self.expectations = expectations
        self.random = random
        self.marks = {mark: asyncio.Event() for mark in self.MARKS}
        self.call: RecognisedCall | None = None

    def prepare(self) -> None:
        """Everybody moves in."""
        self.owner.create_user_and_box(**IMMEDIATE_PLAYBACK)
        self.other.create_user_and_box(**IMMEDIATE_PLAYBACK)

    @abstractmethod
    async def run(self) -> None:
        """The call."""

    async def run_as_far_as_possible(self) -> None:
        """Make the call, which may be interrupted."""
        with suppress(*ENDED_EARLY):
            async with asyncio.timeout(SCENARIO_TIMEOUT_S):
                await self.run()

    async def end_call(self) -> None:
        """Hang up, if there is anybody who takes note."""
        if self.call:
            with suppress(*ENDED_EARLY):
                async with asyncio.timeout(1):
                    await self.call.hang_up()

    async def dial(self, person: PhoneUser, number: str) -> RecognisedCall:
        self.call = await person.dial(number)
        return self.call

    async def speak(
        self, call: RecognisedCall, box: str, on_start: Callable[[ExpectedRecording], None]
    ) -> ExpectedRecording:
        """Hear the beep out and talk. It is noted with the first word: it counts even if the call comes no further."""
        await call.expect("tone/beep", whole=True)
        samples = speech(self.random.randrange(10**6), round(1000 * self.random.uniform(3, 11)))
        spoken = ExpectedRecording(box, samples, monotonic())
        on_start(spoken)
        self.expectations.is_recording = True
        self.marks["talking"].set()
        await call.say(samples)
        spoken.ended_s = monotonic()
        self.expectations.is_recording = False
        return spoken

    def create_messages(self, number: int) -> list[SpokenMessage]:
        """The owner has so many, the newest first."""
        found = [self.owner.create_message(s=1.5, age_s=3600 * (n + 1)) for n in range(number)]
        self.expectations.initial_messages += [(self.owner.number, message.id) for message in found]
        return found


class LeaveMessageAndHangUp(Scenario):
    NAME = "leaving a message and hanging up"
    MARKS: ClassVar[tuple[str, ...]] = ("talking", "hanging up")
    DURATION_S = 10
    IS_CALL_OF_OWNER = False

    async def run(self) -> None:
        call = await self.dial(self.other, self.owner.number)
        await self.speak(call, self.owner.number, self.expectations.recordings.append)
        self.marks["hanging up"].set()
        await call.hang_up()


class LeaveMessageAndSave(Scenario):
    NAME = "leaving a message and saving it"
    MARKS: ClassVar[tuple[str, ...]] = ("talking", "reviewing", "saving")
    DURATION_S = 14
    IS_CALL_OF_OWNER = False

    async def run(self) -> None:
        call = await self.dial(self.other, self.owner.number)
        spoken = await self.speak(call, self.owner.number, self.expectations.recordings.append)
        await call.press("#")
        self.marks["reviewing"].set()
        await call.expect("to/save-recording")
        self.marks["saving"].set()
        await call.press("1")
        await call.expect("done/message-left")
        spoken.confirmed = True
        await call.expect("done/thank-you")
        await call.wait_for_hangup()


class SaveMessage(Scenario):
    NAME = "saving messages"
    MARKS: ClassVar[tuple[str, ...]] = ("first", "second", "third")
    DURATION_S = 15
    KEY, FOLDER, CONFIRMATION = "1", "saved", "done/saved"

    def prepare(self) -> None:
        super().prepare()
        self._messages = self.create_messages(3)

    async def run(self) -> None:
        call = await self.dial(self.owner, "*97")
        for message, mark in zip(self._messages, self.MARKS, strict=True):
            await call.expect(message)
            self.marks[mark].set()
            await call.press(self.KEY)
            await call.expect(self.CONFIRMATION)
            self.expectations.folders.append(ExpectedFolder(self.owner.number, message.id, self.FOLDER))
        await call.hang_up()


class DeleteMessage(SaveMessage):
    NAME = "deleting messages"
    KEY, FOLDER, CONFIRMATION = "7", "deleted", "done/deleted"


class ForwardMessage(Scenario):
    NAME = "forwarding a message"
    MARKS: ClassVar[tuple[str, ...]] = ("sending",)
    DURATION_S = 10

    def prepare(self) -> None:
        super().prepare()
        [self._message] = self.create_messages(1)

    async def run(self) -> None:
        call = await self._dial_and_enter_recipient()
        await call.press("2")
        self.expectations.forwards.append(sent := ExpectedForward(self.other.number, self._message.samples))
        self.marks["sending"].set()
        await call.expect("done/forwarded")
        sent.confirmed = True
        await call.hang_up()

    async def _dial_and_enter_recipient(self) -> RecognisedCall:
        call = await self.dial(self.owner, "*97")
        await call.expect(self._message)
        await call.press("3")
        await call.expect("forward/enter-box")
        await call.press(f"{self.other.number}#")
        await call.expect("recipients/mailbox")
        return call


class ForwardWithIntro(ForwardMessage):
    NAME = "forwarding a message with an introduction"
    MARKS: ClassVar[tuple[str, ...]] = ("talking", "sending")
    DURATION_S = 20

    def prepare(self) -> None:
        self.owner.create_user_and_box(vm_message_forward_type="prepend_forward")
        self.other.create_user_and_box(**IMMEDIATE_PLAYBACK)
        [self._message] = self.create_messages(1)

    async def run(self) -> None:
        call = await self._dial_and_enter_recipient()
        await call.expect("to/prepend")
        await call.press("1")
        self.expectations.forwards.append(sent := ExpectedForward(self.other.number, self._message.samples))
        sent.intro = await self.speak(call, self.other.number, lambda spoken: setattr(sent, "intro", spoken))
        await call.press("#")
        await call.expect("to/save-recording")
        self.marks["sending"].set()
        await call.press("1")
        await call.expect("done/forwarded")
        sent.confirmed = sent.intro.confirmed = True
        await call.hang_up()


class RecordGreeting(Scenario):
    NAME = "recording a greeting"
    MARKS: ClassVar[tuple[str, ...]] = ("talking", "reviewing", "using")
    DURATION_S = 25

    async def run(self) -> None:
        call = await self.dial(self.owner, "*97")
        for heard, key in (("to/configure", "5"), ("to/record-unavailable", "1"), ("settings/record-greeting", "1")):
            await call.expect(heard)
            await call.press(key)
        spoken = await self.speak(
            call, self.owner.number, lambda spoken: self.expectations.greetings.append(ExpectedGreeting(spoken))
        )
        await call.press("#")
        self.marks["reviewing"].set()
        await call.expect("to/use-recording")
        self.expectations.greetings[0].accepted = True
        self.marks["using"].set()
        await call.press("1")
        await call.expect("done/saved")
        spoken.confirmed = True
        await call.hang_up()


SCENARIOS: tuple[type[Scenario], ...] = (
    LeaveMessageAndHangUp,
    LeaveMessageAndSave,
    SaveMessage,
    DeleteMessage,
    ForwardMessage,
    ForwardWithIntro,
    RecordGreeting,
)
