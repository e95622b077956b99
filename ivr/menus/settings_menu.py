"""The settings of a box (kazoo-behaviour §2.5): recordings, PIN, announcement-only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from ivr.errors import IvrError
from ivr.mailbox.store import Purpose
from ivr.menus.menu import Next, OwnerMenu, Place
from ivr.menus.own_recording import OwnRecording
from ivr.menus.pin_change import PinChange
from ivr.menus.visit import Session
from ivr.prompts.voice import Meaning

TRIES = 3
"""Keys without a meaning, and silences, one after another, after which the caller is taken to be gone."""
AT_A_TIME = 5
"""Choices that are said at a time, the way on and the way out among them."""
SPOKEN_ORDER = "123456789*#0"

log = structlog.get_logger()


class SettingsMenu(OwnerMenu):
    """Each round is about the box as it is then. `home` makes the main menu, to which it returns."""

    def __init__(self, session: Session, *, home: Callable[[Session], Place]) -> None:
        super().__init__(session)
        self._home = home
        self._page = 0
        self._does: dict[str, Callable[[], Awaitable[object]]] = {
            "record_unavailable": lambda: OwnRecording(self.session, Purpose.GREETING).run(),
            "record_name": lambda: OwnRecording(self.session, Purpose.NAME).run(),
            "set_pin": self._set_pin,
            "record_temporary": lambda: OwnRecording(self.session, Purpose.TEMPORARY).run(),
            "delete_temporary": self._delete_temporary,
            "announcement": self._toggle_announcement,
            "more": self._turn_the_page,
        }

    async def run(self) -> Next:
        tries = 0
        while tries < TRIES:
            await self._look_again()
            key = await self.ask_key(*await self._choices())
            action = self.keys.action("settings", key)
            if action == "return_main_menu":
                return self._home(self.session)
            if action:
                tries = 0
                await self._do(self._does[action])
                continue
            tries += 1
            if key:
                await self.refuse("entry/invalid")
            else:
                await self._turn_the_page()
        return await self.goodbye()

    async def _look_again(self) -> None:
        """What was just changed, here or elsewhere, counts from now on."""
        mailbox = await self.call.work(self.mailroom.boxes.get(self.mailbox.id))
        self.session = replace(self.session, mailbox=mailbox)
        self.mailbox, self.keys = mailbox, mailbox.keys

    async def _do(self, action: Callable[[], Awaitable[object]]) -> None:
        try:
            await action()
        except IvrError as error:
            log.warning("menu.failed", error=str(error), kind=type(error).__name__)
            self.call.journal.note("failed", error=str(error))
            await self.refuse("problem/not-done")

    # -- what is said ------------------------------------------------------------------------------------------------

    async def _choices(self) -> list[Meaning]:
        """One page of what makes sense now, in the order of its keys. Every key works all the same."""
        temporary = await self.call.work(self.mailroom.greetings.temporary(self.mailbox)) is not None
        pages = _pages([action for action in self._by_weight(temporary) if self.keys.key("settings", action)])
        page = [*pages[self._page % len(pages)], *(["more"] if len(pages) > 1 else []), "return_main_menu"]
        keys = {action: key for action in page if (key := self.keys.key("settings", action))}
        ordered = sorted(keys, key=lambda action: SPOKEN_ORDER.index(keys[action]))
        return [self.rules.choice(self._named(action), keys[action]) for action in ordered]

    def _by_weight(self, temporary: bool) -> list[str]:
        """First what ends a state that one may have forgotten, then what one comes for most often."""
        on = self.mailbox.settings.announcement_only
        return [
            *(["announcement"] if on else []),
            *(["delete_temporary"] if temporary else []),
            "record_unavailable", "record_name", "set_pin", "record_temporary",
            *([] if on else ["announcement"]),
        ]  # fmt: skip

    def _named(self, action: str) -> str:
        if action == "announcement":
            return "announcement-off" if self.mailbox.settings.announcement_only else "announcement-on"
        return "more-settings" if action == "more" else action.replace("_", "-")

    # -- what the keys do --------------------------------------------------------------------------------------------

    async def _set_pin(self) -> None:
        if not await PinChange(self.session).run():
            await self.refuse("pin/not-changed")

    async def _delete_temporary(self) -> None:
        there = await self.call.work(self.mailroom.greetings.remove_temporary(self.mailbox))
        await self.say("settings/temporary-removed" if there else "settings/no-temporary")

    async def _toggle_announcement(self) -> None:
        on = not self.mailbox.settings.announcement_only
        await self.call.work(self.mailroom.boxes.amend(self.mailbox.id, {"announcement_only": on}))
        self.call.journal.note("announcement only", on=on)
        await self.say("settings/announcement-is-on" if on else "settings/announcement-is-off")

    async def _turn_the_page(self) -> None:
        self._page += 1


def _pages(actions: list[str]) -> list[list[str]]:
    """As few pages as there can be, if each has room for the way out, and for the way on where there is another."""
    if len(actions) < AT_A_TIME:
        return [actions]
    each = AT_A_TIME - 2
    return [actions[start : start + each] for start in range(0, len(actions), each)]
