"""What an owner hears right after signing in: the wizard, notices, and recordings that need a decision."""

from __future__ import annotations

import structlog

from ivr.errors import IvrError
from ivr.menus.greeting_recording import RECOVERED_PROMPTS, RecordGreeting, temporary_greeting_prompt
from ivr.menus.main_menu import MainMenu
from ivr.menus.menu import NextStep, OwnerMenu
from ivr.menus.settings_menu import SettingsMenu
from ivr.menus.wizard import Wizard

log = structlog.get_logger()


class AfterLogin(OwnerMenu):
    """The steps between sign-in and the first menu."""

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
        if await self.call.run_while_listening(self.services.greetings.find_temporary_greeting(self.mailbox)):
            until = self.mailbox.settings.media.temporary_until
            expires_at = None if until is None else self.mailbox.local_time(until)
            now = self.mailbox.local_time(self.services.clock.now())
            await self.say(temporary_greeting_prompt(self.language, expires_at, now))

    async def _offer_recovered_recordings(self) -> None:
        """Offer the recordings of earlier calls that ended before the owner decided.

        The owner did not ask for this. A key typed ahead, or one that interrupts the announcement, is meant for the
        menu they know: the key goes there, and the offer is repeated at the next sign-in.
        """
        for take in await self.call.run_while_listening(self.services.takes.list_awaiting_owner(self.mailbox.id)):
            played = await self.call.play([await self.render(RECOVERED_PROMPTS[take.purpose])])
            if played.key:
                self.call.push_back(played.key)
                return
            try:
                await RecordGreeting(self.session, take.purpose).complete_recording(take)
            except IvrError as error:
                log.error("recording.offer_failed", take=take.id, error=str(error))
                await self.reject("problem/not-done")
