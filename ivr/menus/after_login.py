"""What somebody meets who has just signed in: the wizard, what they should know, what they have to decide."""

from __future__ import annotations

import structlog

from ivr.errors import IvrError
from ivr.menus.greeting_duration import temporary_greeting_prompt
from ivr.menus.greeting_recording import RECOVERED_PROMPTS, RecordGreeting
from ivr.menus.main_menu import MainMenu
from ivr.menus.menu import NextStep, OwnerMenu
from ivr.menus.settings_menu import SettingsMenu
from ivr.menus.wizard import Wizard

log = structlog.get_logger()


class PostLogin(OwnerMenu):
    """The way from the door to the first menu."""

    async def run(self) -> NextStep:
        settings = self.mailbox.settings
        if not settings.is_setup:
            return Wizard(self.session)
        await self._announce_temporary_greeting()
        if not settings.not_configurable:
            await self._offer_recovered_recordings()
            if settings.announcement_only:
                return SettingsMenu(self.session, make_parent=MainMenu)
        return MainMenu(self.session, just_signed_in=True)

    async def _announce_temporary_greeting(self) -> None:
        if await self.call.run_while_listening(self.services.greetings.temporary(self.mailbox)):
            until = self.mailbox.settings.media.temporary_until
            ends = None if until is None else self.mailbox.local(until)
            await self.say(
                temporary_greeting_prompt(self.language, ends, self.mailbox.local(self.services.clock.now()))
            )

    async def _offer_recovered_recordings(self) -> None:
        """What was being recorded when an earlier call ended.

        Nobody has asked for this, so a key that was typed ahead, or that cuts the announcement, is meant for the menu
        that they know: the offer stays for the next time.
        """
        for take in await self.call.run_while_listening(self.services.takes.aside(self.mailbox.id)):
            played = await self.call.play([await self.render(RECOVERED_PROMPTS[take.purpose])])
            if played.key:
                self.call.push_back(played.key)
                return
            try:
                await RecordGreeting(self.session, take.purpose).complete_recording(take)
            except IvrError as error:
                log.error("recording.not_offered", take=take.id, reason=str(error))
                await self.reject("problem/not-done")
