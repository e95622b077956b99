"""The first use of a mailbox: a PIN, a greeting, and the mailbox is set up."""

from __future__ import annotations

from dataclasses import replace

from ivr.menus.greeting_recording import RecordGreeting, RecordingOutcome
from ivr.menus.main_menu import MainMenu
from ivr.menus.menu import NextStep, OwnerMenu
from ivr.menus.settings_menu import PinChange
from ivr.storage.records import RecordingPurpose

MAX_TRIES = 3
"""Greetings below the minimum length, after which the mailbox has none."""


class Wizard(OwnerMenu):
    """An owner who leaves it early keeps the PIN they chose, and the wizard starts again at the next sign-in.

    Where the owner may change nothing by phone, the wizard still asks for the PIN, which only the owner may choose.
    """

    async def run(self) -> NextStep:
        await self.say("setup/welcome")
        if self.mailbox.settings.pin_changeable and not await PinChange(self.session).run():
            return await self.say_goodbye("pin/not-changed", "done/goodbye")
        configurable = not self.mailbox.settings.not_configurable
        if configurable and not await self._record_greeting():
            await self.say("setup/go-on-later")
            return MainMenu(self.session, just_signed_in=True)
        mailbox = await self.call.run_while_listening(
            self.services.boxes.patch_from_phone(self.mailbox.id, {"is_setup": True})
        )
        self.call.journal.note("set up")
        await self.say("setup/complete", *(["setup/change-later"] if configurable else []))
        return MainMenu(replace(self.session, mailbox=mailbox), just_signed_in=True)

    async def _record_greeting(self) -> bool:
        """Return whether the owner decided on a greeting: to use it, or to have none."""
        await self.say("setup/record-greeting")
        for _ in range(MAX_TRIES):
            outcome = await RecordGreeting(self.session, RecordingPurpose.GREETING).run()
            if outcome is not RecordingOutcome.TOO_SHORT:
                return outcome in (RecordingOutcome.USED, RecordingOutcome.DISCARDED)
        return False
