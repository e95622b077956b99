"""The greeting of a mailbox, and what each key does while it plays.

Greeting, invitation to hunt and instructions are one list of sounds. Every key works at any moment of it, pressed or
typed ahead: `*` signs in, `0` reaches the operator, `#` goes to the beep at once.

Where callers may hunt, a digit begins an extension. It is complete at `#`, at 20 digits, or when no digit follows
within the mailbox's `interdigit_timeout`. A single digit with a meaning of its own (`0`) keeps that meaning, so it can
also begin an extension. Where callers may not hunt, each digit acts at once, and a digit without a meaning goes to the
beep.
"""

from __future__ import annotations

from ivr.audio.sound import Sound
from ivr.call.arguments import InstructionsChoice
from ivr.call.base import INTERDIGIT_TIMEOUT_MS, TERMINATOR
from ivr.menus import hunt
from ivr.menus.dialplan_status import Status
from ivr.menus.exit_keys import ExitKeys, Operator
from ivr.menus.greeting_audio import play_greeting, render_introduction
from ivr.menus.hunt import Hunt
from ivr.menus.menu import CallerMenu, NextStep
from ivr.menus.sign_in import SignIn


class Greeting(CallerMenu):
    """What a caller hears before the beep."""

    async def run(self) -> NextStep | None:
        """Return where the caller goes instead of leaving a message; None goes to the beep."""
        tries_left = hunt.MAX_TRIES if Hunt.is_offered(self.mailbox) else 0
        played = await play_greeting(
            self, prefix=await render_introduction(self), suffix=await self._render_instructions(tries_left)
        )
        while True:
            dialled = await self._collect_extension(played.key) if tries_left else played.key
            if status := await ExitKeys(self.call_context, self.mailbox).run(dialled):
                return status
            if action := self.key_map.action_for("greeting", dialled):
                return await self._run_action(action)
            if not tries_left or not dialled or not dialled[0].isdigit():
                return None
            if status := await Hunt(self.call_context, self.mailbox).run(dialled):
                return status
            tries_left -= 1
            played = await self.call.play(await self._render_instructions(tries_left))

    async def _render_instructions(self, tries_left: int) -> list[Sound]:
        prompts = ["greeting/hunt"] if tries_left else []
        if not await self._should_skip_instructions():
            prompts.append("greeting/leave-a-message")
        return [await self.render(prompt) for prompt in prompts]

    async def _should_skip_instructions(self) -> bool:
        match self.call.incoming.arguments.skip_instructions:
            case InstructionsChoice.SKIP:
                return True
            case InstructionsChoice.SKIP_IF_GREETING_RECORDED if await self.call.run_while_listening(
                self.services.greetings.find_greeting(self.mailbox)
            ):
                return True
            case _:
                return self.mailbox.settings.skip_instructions

    async def _collect_extension(self, key: str | None) -> str | None:
        """Return `key`, or the extension that it begins if it is a digit and not an exit key."""
        if not key or not key.isdigit() or await ExitKeys(self.call_context, self.mailbox).is_exit_digit(key):
            return key
        dialled = key
        timeout_ms = (
            self.mailbox.settings.interdigit_timeout
            or self.call.incoming.arguments.interdigit_timeout
            or INTERDIGIT_TIMEOUT_MS
        )
        while len(dialled) < hunt.MAX_DIGITS and (key := await self.call.wait_for_key(timeout_ms)):
            if key == TERMINATOR:
                break
            dialled += key
        return dialled

    async def _run_action(self, action: str) -> NextStep | None:
        match action:
            case "login":
                return SignIn(self.call_context, self.mailbox, mailbox_specified=True)
            case "continue":
                return Status.EXIT
            case _:  # The operator. Without one, the caller may leave a message.
                return await Operator(self.call_context, self.mailbox).run()
