"""The first use of a box (kazoo-behaviour §1.8): a PIN, a greeting, and it is set up."""

from __future__ import annotations

from dataclasses import replace

from ivr.mailbox.store import Purpose
from ivr.menus.main_menu import MainMenu
from ivr.menus.menu import Next, OwnerMenu
from ivr.menus.own_recording import Outcome, OwnRecording
from ivr.menus.pin_change import PinChange

TRIES = 3
"""Greetings too short to be one, after which there is none."""


class Wizard(OwnerMenu):
    """Whoever leaves it in the middle has the PIN that they chose, and begins anew at the next sign-in.

    Where the owner may change nothing by phone, only the PIN is asked for: it is nobody else's to choose.
    """

    async def run(self) -> Next:
        await self.say("setup/welcome")
        if not await PinChange(self.session).run():
            return await self.goodbye("pin/not-changed", "done/goodbye")
        configurable = not self.mailbox.settings.not_configurable
        if configurable and not await self._record_greeting():
            await self.say("setup/go-on-later")
            return MainMenu(self.session, first=True)
        mailbox = await self.call.work(self.mailroom.boxes.amend(self.mailbox.id, {"is_setup": True}))
        self.call.journal.note("set up")
        await self.say("setup/complete", *(["setup/change-later"] if configurable else []))
        return MainMenu(replace(self.session, mailbox=mailbox), first=True)

    async def _record_greeting(self) -> bool:
        """Whether its owner decided about one: to use it, or to have none."""
        await self.say("setup/record-greeting")
        for _ in range(TRIES):
            outcome = await OwnRecording(self.session, Purpose.GREETING).run()
            if outcome is not Outcome.TOO_SHORT:
                return outcome in (Outcome.USED, Outcome.DISCARDED)
        return False
