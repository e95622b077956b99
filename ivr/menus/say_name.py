"""Saying who the owner of a mailbox is, for the dialplan."""

from __future__ import annotations

from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import CallContext
from ivr.menus.dialplan_status import Status
from ivr.menus.menu import Menu, NextStep


class SayName(Menu):
    """Plays the recorded name, else the number. `mailbox`: None if there is none; then its number is said."""

    def __init__(self, call_context: CallContext, mailbox: Mailbox | None) -> None:
        super().__init__(call_context)
        self._mailbox = mailbox

    async def run(self) -> NextStep:
        mailbox = self._mailbox
        name = await self.call.run_while_listening(self.services.greetings.find_name(mailbox)) if mailbox else None
        if name:
            await self.call.play([name], keys="")
        elif number := mailbox.number if mailbox else self.call.incoming.arguments.number:
            await self.call.play([await self.render("envelope/extension", self.language.spell(number))], keys="")
        return Status.DONE if mailbox else Status.NOBOX
