"""The greeting of a box, and what each key does in it (kazoo-behaviour §1.3, §1.7).

Greeting, invitation to hunt and instructions are one stretch, in which every key works at any moment, spoken or typed
ahead: `*` signs in, `0` reaches the operator, `#` goes to the beep at once. Where callers may hunt, a digit begins an
extension, which is complete at `#`, at 20 digits, or when no digit follows for the box's `interdigit_timeout`; a single
digit that has a meaning of its own (`0`) then has that one, so that it can also begin an extension. Where they may not,
any digit acts at once, and one without a meaning goes to the beep.
"""

from __future__ import annotations

from ivr.audio.sound import Sound
from ivr.call.argument_values import InstructionsChoice
from ivr.call.base import INTERDIGIT_TIMEOUT_MS, TERMINATOR
from ivr.menus import hunt
from ivr.menus.context import Status
from ivr.menus.exit_keys import DialplanExit
from ivr.menus.greeting_audio import play_greeting, render_introduction
from ivr.menus.hunt import Hunt
from ivr.menus.menu import CallerMenu, NextStep
from ivr.menus.operator import Operator
from ivr.menus.sign_in import SignIn


class Greeting(CallerMenu):
    """What a caller hears before the beep."""

    async def run(self) -> NextStep | None:
        """Where the caller goes instead of leaving a message; None: to the beep."""
        tries = hunt.MAX_TRIES if Hunt.is_offered(self.mailbox) else 0
        played = await play_greeting(
            self, prefix=await render_introduction(self), suffix=await self._render_instructions(tries)
        )
        while True:
            typed = await self._collect_extension(played.key) if tries else played.key
            if way_out := await DialplanExit(self.call_context, self.mailbox).run(typed):
                return way_out
            if action := self.key_map.action("greeting", typed):
                return await self._run_action(action)
            if not tries or not typed or not typed[0].isdigit():
                return None
            if place := await Hunt(self.call_context, self.mailbox).run(typed):
                return place
            tries -= 1
            played = await self.call.play(await self._render_instructions(tries))

    async def _render_instructions(self, tries_left: int) -> list[Sound]:
        said = ["greeting/hunt"] if tries_left else []
        if not await self._should_skip_instructions():
            said.append("greeting/leave-a-message")
        return [await self.render(prompt) for prompt in said]

    async def _should_skip_instructions(self) -> bool:
        match self.call.incoming.arguments.skip_instructions:
            case InstructionsChoice.SKIP:
                return True
            case InstructionsChoice.SKIP_IF_GREETING_RECORDED if await self.call.run_while_listening(
                self.services.greetings.greeting(self.mailbox)
            ):
                return True
            case _:
                return self.mailbox.settings.skip_instructions

    async def _collect_extension(self, key: str | None) -> str | None:
        """What a key begins: an extension, if it is a digit that does not lead out by itself."""
        if not key or not key.isdigit() or await DialplanExit(self.call_context, self.mailbox).is_exit_digit(key):
            return key
        typed = key
        asked = self.mailbox.settings.interdigit_timeout or self.call.incoming.arguments.interdigit_timeout
        while len(typed) < hunt.MAX_DIGITS and (key := await self.call.wait_for_key(asked or INTERDIGIT_TIMEOUT_MS)):
            if key == TERMINATOR:
                break
            typed += key
        return typed

    async def _run_action(self, action: str) -> NextStep | None:
        match action:
            case "login":
                return SignIn(self.call_context, self.mailbox, mailbox_specified=True)
            case "continue":
                return Status.EXIT
            case _:  # The operator; where there is none, the caller may leave a message.
                return await Operator(self.call_context, self.mailbox).run()
