"""The greeting of a mailbox, and what each key does while it plays.

Greeting, invitation to hunt and instructions are one list of sounds. Every key works at any moment of it, pressed or
typed ahead: `*` signs in, `0` reaches the operator, `#` goes to the beep at once.

Where callers may hunt, a digit begins an extension. It is complete at `#`, or when no digit follows within the
mailbox's `interdigit_timeout`; more than 20 digits are no extension, and `*` takes the entry back. A single digit with
a meaning of its own (`0`) keeps that meaning, so it can also begin an extension. Where callers may not hunt, each digit
acts at once, and a digit without a meaning goes to the beep.

With `press_key_to_record`, a caller who presses no key hears which key leads to the beep, and the call ends without
it: programs that call leave no messages. Any key that goes to the beep shows that a person called.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from ivr.audio.formats import Sound
from ivr.call.arguments import GreetingChoice, InstructionsChoice
from ivr.call.base import ALL_KEYS, FIRST_DIGIT_TIMEOUT_MS, INTERDIGIT_TIMEOUT_MS, PlayResult
from ivr.errors import UnplayableSound
from ivr.mailbox.mailbox import Mailbox
from ivr.menus import hunt
from ivr.menus.context import CallContext
from ivr.menus.dialplan_status import Status
from ivr.menus.exit_keys import ExitKeys, Operator
from ivr.menus.hunt import Hunt
from ivr.menus.menu import CallerMenu, NextMenu, NextStep
from ivr.menus.sign_in import SignIn
from ivr.prompts.voice import Prompt

MAX_SILENT_ROUNDS = 3
"""How often a caller who has to press a key hears which."""


class Greeting(CallerMenu):
    """What a caller hears before the beep. `parent`: the menu to which a caller returns who leaves the sign-in."""

    def __init__(self, call_context: CallContext, mailbox: Mailbox, *, parent: NextMenu) -> None:
        super().__init__(call_context, mailbox)
        self._parent = parent

    async def run(self) -> NextStep | None:
        """Return where the caller goes instead of leaving a message; None goes to the beep."""
        tries_left = hunt.MAX_TRIES if Hunt.is_offered(self.mailbox) else 0
        played = await play_greeting(
            self, prefix=await render_introduction(self), suffix=await self._render_instructions(tries_left)
        )
        while True:
            if self.mailbox.press_key_to_record and not played.key:
                played = await self._wait_for_person(tries_left)
                if not played.key:
                    return await self.say_goodbye(status=Status.NOMESSAGE)
            dialled = await self._collect_extension(played.key) if tries_left else played.key
            if played.key and dialled == played.key:
                self.call.ignore_repeats(played.key)
            if dialled == "":
                tries_left -= 1
                played = await self.call.play(await self._render_instructions(tries_left))
                continue
            if status := await ExitKeys(self.call_context, self.mailbox).run(dialled):
                return status
            if action := self.key_map.action_for("greeting", dialled):
                return await self._run_action(action)
            if not tries_left or not dialled or not dialled[0].isdigit() or dialled == self._record_key():
                return None
            if status := await Hunt(self.call_context, self.mailbox).run(dialled):
                return status
            tries_left -= 1
            played = await self.call.play(await self._render_instructions(tries_left))

    async def _render_instructions(self, tries_left: int) -> list[Sound]:
        prompts: list[Prompt] = ["greeting/hunt"] if tries_left else []
        if key := self._record_key():
            prompts.append(self.language.menu_option("leave-message", key))
        elif not await self._should_skip_instructions():
            prompts.append("greeting/leave-a-message")
        return [await self.render(prompt) for prompt in prompts]

    def _record_key(self) -> str:
        """Return the key that a caller must press to leave a message, 1 if it is free; "" if there is none."""
        free = (key for key in "123456789" if not self.key_map.action_for("greeting", key))
        return next(free, "#") if self.mailbox.press_key_to_record else ""

    async def _wait_for_person(self, tries_left: int) -> PlayResult:
        """Return the key of a caller who has heard which one to press; none if they press none."""
        for _ in range(MAX_SILENT_ROUNDS - 1):
            if key := await self.call.wait_for_key(FIRST_DIGIT_TIMEOUT_MS):
                return PlayResult(key, 0)
            played = await self.call.play(await self._render_instructions(tries_left))
            if played.key:
                return played
        return PlayResult(await self.call.wait_for_key(FIRST_DIGIT_TIMEOUT_MS), 0)

    async def _should_skip_instructions(self) -> bool:
        match self.call.incoming.arguments.skip_instructions:
            case InstructionsChoice.SKIP:
                return True
            case InstructionsChoice.SKIP_IF_GREETING_RECORDED if await _find_recorded_greeting(self):
                return True
            case _:
                return self.mailbox.settings.skip_instructions

    async def _collect_extension(self, key: str | None) -> str | None:
        """Return `key`, or the extension that it begins if it is a digit and not an exit key; "" if it is cancelled."""
        if not key or not key.isdigit() or await ExitKeys(self.call_context, self.mailbox).is_exit_digit(key):
            return key
        timeout_ms = (
            self.mailbox.settings.interdigit_timeout
            or self.call.incoming.arguments.interdigit_timeout
            or INTERDIGIT_TIMEOUT_MS
        )
        self.call.typeahead.count_repeated_digits()
        entry = await self.call.collect_from(key, hunt.MAX_DIGITS, interdigit_timeout_ms=timeout_ms)
        return entry.digits

    async def _run_action(self, action: str) -> NextStep | None:
        match action:
            case "login":
                return SignIn(self.call_context, self.mailbox, mailbox_specified=True, parent=self._parent)
            case "continue":
                return Status.EXIT
            case _:  # The operator. Without one, the caller may leave a message.
                return await Operator(self.call_context, self.mailbox).run()


log = structlog.get_logger()


async def play_greeting(
    menu: CallerMenu, *, prefix: Sequence[Sound] = (), suffix: Sequence[Sound] = (), keys: str = ALL_KEYS
) -> PlayResult:
    """Play the greeting between `prefix` and `suffix` until one of `keys`.

    If Asterisk cannot play a recording, the greeting with the mailbox's number is played instead, so that no caller is
    turned away.
    """
    try:
        return await menu.call.play([*prefix, *await _render_greeting(menu), *suffix], keys)
    except UnplayableSound as error:
        log.error("greeting.unplayable", box=menu.mailbox.id, error=str(error))
        return await menu.call.play([await _render_number_greeting(menu), *suffix], keys)


async def render_introduction(menu: CallerMenu) -> list[Sound]:
    """Return the sentence before the greeting; empty unless the mailbox has `play_greeting_intro`."""
    return [await menu.render("greeting/intro")] if menu.mailbox.settings.play_greeting_intro else []


async def _render_greeting(menu: CallerMenu) -> list[Sound]:
    """Return the first that exists: temporary greeting, own greeting, generic greeting with the owner's recorded name,
    generic greeting with the mailbox's number. Empty if mailbox or dialplan disable it."""
    mailbox, greetings = menu.mailbox, menu.services.greetings
    if mailbox.settings.skip_greeting:
        return []
    if greeting := await _find_recorded_greeting(menu):
        return [greeting]
    if menu.call.incoming.arguments.greeting is GreetingChoice.NONE:
        return []
    if mailbox.settings.use_person_not_available:
        return [await menu.render("greeting/nobody-available")]
    if name := await menu.call.run_while_listening(greetings.find_name(mailbox)):
        return [name, await menu.render(_absence_prompt(menu))]
    return [await _render_number_greeting(menu)]


async def _find_recorded_greeting(menu: CallerMenu) -> Sound | None:
    """Return the owner's greeting for this call. A line of app_voicemail without u and b has the temporary greeting
    alone, as VoiceMail() does."""
    greetings, mailbox, arguments = menu.services.greetings, menu.mailbox, menu.call.incoming.arguments
    if arguments.greeting is GreetingChoice.NONE:
        if arguments.options is None:
            return None
        return await menu.call.run_while_listening(greetings.find_temporary_greeting(mailbox))
    return await menu.call.run_while_listening(greetings.find_greeting(mailbox, busy=menu.is_owner_busy))


async def _render_number_greeting(menu: CallerMenu) -> Sound:
    return await menu.render("greeting/person-at", menu.language.spell(menu.mailbox.number), _absence_prompt(menu))


def _absence_prompt(menu: CallerMenu) -> Prompt:
    """Return why the owner does not answer: on the phone, where the dialplan says so, else not available."""
    return "greeting/is-on-the-phone" if menu.is_owner_busy else "greeting/is-not-available"
