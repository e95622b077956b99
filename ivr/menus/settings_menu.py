"""The settings of a mailbox: greetings and name, PIN, announcement-only, clock, language."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from ivr.call.base import DigitsResult
from ivr.errors import InvalidFields, IvrError
from ivr.mailbox.pin_strength import PinWeakness
from ivr.menus.choose_greeting import ChooseGreeting
from ivr.menus.choose_language import ChooseLanguage
from ivr.menus.context import OwnerSession
from ivr.menus.greeting_recording import RecordGreeting
from ivr.menus.menu import NextMenu, NextStep, OwnerMenu, prompt_for
from ivr.prompts.voice import Prompt
from ivr.storage.records import AuditAction, RecordingPurpose

MAX_TRIES = 3
"""Invalid keys and silences in a row, after which the call ends."""
CHOICES_PER_PAGE = 5
"""Options that are read out at a time, including those for the next page and the main menu."""
KEY_ORDER = "123456789*#0"


class SettingsMenu(OwnerMenu):
    """Each round works on the mailbox as it is then. `make_parent` makes the main menu, to which it returns."""

    def __init__(self, session: OwnerSession, *, make_parent: Callable[[OwnerSession], NextMenu]) -> None:
        super().__init__(session)
        self._make_parent = make_parent
        self._page = 0
        self._has_earlier_greetings = False
        self._actions: dict[str, Callable[[], Awaitable[object]]] = {
            "record_unavailable": lambda: RecordGreeting(self.session, RecordingPurpose.GREETING).run(),
            "record_busy": lambda: RecordGreeting(self.session, RecordingPurpose.BUSY_GREETING).run(),
            "record_name": lambda: RecordGreeting(self.session, RecordingPurpose.NAME).run(),
            "set_pin": self._set_pin,
            "record_temporary": lambda: RecordGreeting(self.session, RecordingPurpose.TEMPORARY_GREETING).run(),
            "delete_temporary": self._delete_temporary,
            "announcement": self._toggle_announcement,
            "choose_greeting": lambda: ChooseGreeting(self.session).run(),
            "clock": self._toggle_clock,
            "language": lambda: ChooseLanguage(self.session).run(),
            "more": self._next_page,
        }

    async def run(self) -> NextStep:
        tries = 0
        while tries < MAX_TRIES:
            await self._reload()
            key = await self.ask_key(*await self._option_prompts())
            action = self.key_map.action_for("settings", key)
            if action == "choose_greeting" and not self._has_earlier_greetings:
                action = None
            if action == "return_main_menu":
                return self._make_parent(self.session)
            if action:
                tries = 0
                await self._run_action(self._actions[action])
                continue
            tries += 1
            if key:
                await self.reject("entry/invalid")
            else:
                await self._next_page()
        return await self.say_goodbye()

    async def _reload(self) -> None:
        """Read the mailbox again: this call or another client may have changed it."""
        mailbox = await self.call.run_while_listening(self.services.boxes.get(self.mailbox.id))
        self.session = replace(self.session, mailbox=mailbox)
        self.mailbox, self.key_map = mailbox, mailbox.key_map

    async def _run_action(self, action: Callable[[], Awaitable[object]]) -> None:
        try:
            await action()
        except IvrError as error:
            await self.report_error(error, prompt_for(error))

    # -- the spoken menu ---------------------------------------------------------------------------------------------

    async def _option_prompts(self) -> list[Prompt]:
        """Return one page of the options that make sense now, in the order of their keys. Every key works."""
        temporary = (
            await self.call.run_while_listening(self.services.greetings.find_temporary_greeting(self.mailbox))
            is not None
        )
        self._has_earlier_greetings = await self.call.run_while_listening(ChooseGreeting.is_offered(self.session))
        pages = _paginate(
            [
                action
                for action in self._ordered_actions(has_temporary_greeting=temporary)
                if self.key_map.key_for("settings", action)
            ]
        )
        page = [*pages[self._page % len(pages)], *(["more"] if len(pages) > 1 else []), "return_main_menu"]
        keys = {action: key for action in page if (key := self.key_map.key_for("settings", action))}
        ordered = sorted(keys, key=lambda action: KEY_ORDER.index(keys[action]))
        return [self.language.menu_option(self._prompt_name(action), keys[action]) for action in ordered]

    def _ordered_actions(self, *, has_temporary_greeting: bool) -> list[str]:
        """Return first what ends a state that the owner may have forgotten, then what is used most often."""
        announcement_only = self.mailbox.settings.announcement_only
        return [
            *(["announcement"] if announcement_only else []),
            *(["delete_temporary"] if has_temporary_greeting else []),
            "record_unavailable",
            "record_name",
            *(["set_pin"] if self.mailbox.settings.pin_changeable else []),
            "record_temporary",
            *([] if announcement_only else ["announcement"]),
            "clock",
            *(["language"] if len(self.call_context.voice.languages) > 1 else []),
            "record_busy",
            *(["choose_greeting"] if self._has_earlier_greetings else []),
        ]

    def _prompt_name(self, action: str) -> str:
        if action == "announcement":
            return "announcement-off" if self.mailbox.settings.announcement_only else "announcement-on"
        if action == "clock":
            return "clock-12" if self.mailbox.clock == "24h" else "clock-24"
        return "more-settings" if action == "more" else action.replace("_", "-")

    # -- the actions of the keys -------------------------------------------------------------------------------------

    async def _set_pin(self) -> None:
        if not self.mailbox.settings.pin_changeable or not await PinChange(self.session).run():
            await self.reject("pin/not-changed")

    async def _delete_temporary(self) -> None:
        removed = await self.call.run_while_listening(self.services.greetings.remove_temporary(self.mailbox))
        await self.say("settings/temporary-removed" if removed else "settings/no-temporary")

    async def _toggle_announcement(self) -> None:
        on = not self.mailbox.settings.announcement_only
        await self.call.run_while_listening(
            self.services.boxes.patch_from_phone(self.mailbox.id, {"announcement_only": on})
        )
        self.session.record(AuditAction.SETTINGS_CHANGED, ["announcement_only"])
        self.call.journal.note("announcement only", on=on)
        await self.say("settings/announcement-is-on" if on else "settings/announcement-is-off")

    async def _toggle_clock(self) -> None:
        clock = "12h" if self.mailbox.clock == "24h" else "24h"
        await self.call.run_while_listening(self.services.boxes.patch_from_phone(self.mailbox.id, {"clock": clock}))
        self.session.record(AuditAction.SETTINGS_CHANGED, ["clock"])
        self.call.journal.note("clock", clock=clock)
        await self.say("settings/clock-is-24" if clock == "24h" else "settings/clock-is-12")

    async def _next_page(self) -> None:
        self._page += 1


def _paginate(actions: list[str]) -> list[list[str]]:
    """Return as few pages as possible, each with space for the options "main menu" and, if needed, "next page"."""
    if len(actions) < CHOICES_PER_PAGE:
        return [actions]
    page_size = CHOICES_PER_PAGE - 2
    return [actions[start : start + page_size] for start in range(0, len(actions), page_size)]


class PinChange(OwnerMenu):
    """Asks for the new PIN twice. The old PIN is not asked for: the call is signed in already.

    A PIN that has to be changed may not be set again.
    """

    async def run(self) -> bool:
        """Return whether a new PIN was set. A rejected PIN is followed by the reason; `*` leaves."""
        must_change = self.mailbox.settings.pin_must_change
        for _ in range(MAX_TRIES):
            entry = await self._ask_pin("pin/enter-new", self._length_prompt(), "entry/cancel")
            if entry.is_cancelled:
                return False
            pin = entry.digits
            if weakness := self.services.pins.find_weakness(self.mailbox, pin):
                is_length = weakness is PinWeakness.WRONG_LENGTH
                await self.reject(self._length_prompt() if is_length else f"pin/{weakness}")
                continue
            if must_change and await self.call.run_while_listening(self.services.pins.is_set_to(self.mailbox, pin)):
                await self.reject("pin/in-use")
                continue
            if not await self.call.run_while_listening(self._is_allowed(pin)):
                await self.reject("pin/not-allowed")
                continue
            repeated = await self._ask_pin("pin/enter-again")
            if repeated.is_cancelled:
                return False
            if repeated.digits != pin:
                await self.reject("pin/mismatch")
            else:
                await self.call.run_while_listening(self._set_pin(pin))
                self.session.record(AuditAction.PIN_SET)
                self.call.journal.note("pin changed")
                await self.say("done/pin-set")
                return True
        return False

    async def _is_allowed(self, pin: str) -> bool:
        """Return whether the program of the site accepts the PIN, if there is one."""
        try:
            await self.services.pins.check_by_program(self.mailbox, pin)
        except InvalidFields:
            return False
        return True

    async def _set_pin(self, pin: str) -> None:
        await self.services.pins.set_by_owner(self.mailbox, pin, is_checked=True)
        if self.mailbox.settings.pin_must_change:
            await self.services.boxes.patch_from_phone(self.mailbox.id, {"pin_must_change": None})

    async def _ask_pin(self, *prompts: Prompt) -> DigitsResult:
        max_digits = self.mailbox.pin_lengths.stop - 1
        return await self.ask_digits(*prompts, max_digits=max_digits, secret=True)

    def _length_prompt(self) -> Prompt:
        lengths = self.mailbox.pin_lengths
        return self.language.pin_length(lengths.start, lengths.stop - 1)
