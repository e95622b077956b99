"""What somebody meets who has just signed in: the wizard, what they should know, what they have to decide."""

from __future__ import annotations

import structlog

from ivr.errors import IvrError
from ivr.menus.how_long import temporary_in_use
from ivr.menus.main_menu import MainMenu
from ivr.menus.menu import Next, OwnerMenu
from ivr.menus.own_recording import FOUND, OwnRecording
from ivr.menus.settings_menu import SettingsMenu
from ivr.menus.wizard import Wizard

log = structlog.get_logger()


class Welcome(OwnerMenu):
    """The way from the door to the first menu."""

    async def run(self) -> Next:
        settings = self.mailbox.settings
        if not settings.is_setup:
            return Wizard(self.session)
        await self._tell_of_temporary_greeting()
        if not settings.not_configurable:
            await self._offer_what_was_found()
            if settings.announcement_only:
                return SettingsMenu(self.session, home=MainMenu)
        return MainMenu(self.session, first=True)

    async def _tell_of_temporary_greeting(self) -> None:
        if await self.call.work(self.mailroom.greetings.temporary(self.mailbox)):
            until = self.mailbox.settings.media.temporary_until
            ends = None if until is None else self.mailbox.local(until)
            await self.say(temporary_in_use(self.rules, ends, self.mailbox.local(self.mailroom.clock.now())))

    async def _offer_what_was_found(self) -> None:
        """What was being recorded when an earlier call ended.

        Nobody has asked for this, so a key that was typed ahead, or that cuts the announcement, is meant for the menu
        that they know: the offer stays for the next time.
        """
        for take in await self.call.work(self.mailroom.takes.aside(self.mailbox.id)):
            played = await self.call.play([await self.sound(FOUND[take.purpose])])
            if played.key:
                self.call.unread(played.key)
                return
            try:
                await OwnRecording(self.session, take.purpose).decide(take)
            except IvrError as error:
                log.error("recording.not_offered", take=take.id, reason=str(error))
                await self.refuse("problem/not-done")
