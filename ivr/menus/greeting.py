"""The greeting of a box, and what each key does in it (kazoo-behaviour §1.3, §1.7).

Greeting, invitation to hunt and instructions are one stretch, in which every key works at any moment, spoken or typed
ahead: `*` signs in, `0` reaches the operator, `#` goes to the beep at once. Where callers may hunt, a digit begins an
extension, which is complete at `#`, at 20 digits, or when no digit follows for the box's `interdigit_timeout`; a single
digit that has a meaning of its own (`0`) then has that one, so that it can also begin an extension. Where they may not,
any digit acts at once, and one without a meaning goes to the beep.
"""

from __future__ import annotations

from ivr.audio.sound import Sound
from ivr.call.argument_values import Instructions
from ivr.call.port import NEXT_DIGIT_MS, TERMINATOR
from ivr.menus import hunt
from ivr.menus.hunt import Hunt
from ivr.menus.menu import CallerMenu, Next
from ivr.menus.operator import Operator
from ivr.menus.salutation import greet, introduction
from ivr.menus.sign_in import SignIn
from ivr.menus.visit import Status
from ivr.menus.way_out import WayOut


class Greeting(CallerMenu):
    """What a caller hears before the beep."""

    async def run(self) -> Next | None:
        """Where the caller goes instead of leaving a message; None: to the beep."""
        tries = hunt.TRIES if Hunt.is_offered(self.mailbox) else 0
        played = await greet(self, before=await introduction(self), after=await self._instructions(tries))
        while True:
            typed = await self._extension(played.key) if tries else played.key
            if way_out := await WayOut(self.visit, self.mailbox).run(typed):
                return way_out
            if action := self.keys.action("greeting", typed):
                return await self._do(action)
            if not tries or not typed or not typed[0].isdigit():
                return None
            if place := await Hunt(self.visit, self.mailbox).run(typed):
                return place
            tries -= 1
            played = await self.call.play(await self._instructions(tries))

    async def _instructions(self, tries: int) -> list[Sound]:
        said = ["greeting/hunt"] if tries else []
        if not await self._skips_instructions():
            said.append("greeting/leave-a-message")
        return [await self.sound(prompt) for prompt in said]

    async def _skips_instructions(self) -> bool:
        match self.call.arrival.arguments.skip_instructions:
            case Instructions.SKIPPED:
                return True
            case Instructions.SKIPPED_IF_GREETED if await self.call.work(
                self.mailroom.greetings.greeting(self.mailbox)
            ):
                return True
            case _:
                return self.mailbox.settings.skip_instructions

    async def _extension(self, key: str | None) -> str | None:
        """What a key begins: an extension, if it is a digit that does not lead out by itself."""
        if not key or not key.isdigit() or await WayOut(self.visit, self.mailbox).is_digit(key):
            return key
        typed = key
        asked = self.mailbox.settings.interdigit_timeout or self.call.arrival.arguments.interdigit_timeout
        while len(typed) < hunt.LONGEST and (key := await self.call.wait(asked or NEXT_DIGIT_MS)):
            if key == TERMINATOR:
                break
            typed += key
        return typed

    async def _do(self, action: str) -> Next | None:
        match action:
            case "login":
                return SignIn(self.visit, self.mailbox, named=True)
            case "continue":
                return Status.EXIT
            case _:  # The operator; where there is none, the caller may leave a message.
                return await Operator(self.visit, self.mailbox).run()
