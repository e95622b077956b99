"""The operator of a box, whom a caller reaches by a key (kazoo-behaviour §1.3, §2.3)."""

from __future__ import annotations

import re

from ivr.menus.context import Status
from ivr.menus.exit_keys import DialplanExit
from ivr.menus.menu import CallerMenu

DIALLABLE = re.compile(r"[A-Za-z0-9*#+]{1,36}")
"""It goes into a dialplan expression, so nothing that means something there gets through."""


class Operator(CallerMenu):
    """The one that the dialplan names (`exit_context`), else the box's own, else the system's: an extension of the
    account's operator context."""

    async def run(self) -> Status | None:
        """Send the call there; None where there is no operator, and nothing was said."""
        place = await self.find_target()
        if place is None:
            return None
        context, extension = place
        self.call.journal.note("operator", context=context, extension=extension)
        await self.say("greeting/transferring")
        await self.call.continue_at(context, extension)
        return Status.BRANCH

    async def find_target(self) -> tuple[str, str] | None:
        """Where the operator is, as context and extension, if there is one. What the dialplan names wins."""
        if named := await DialplanExit(self.call_context, self.mailbox).find_operator():
            return named
        system, own = self.mailbox.system, self.mailbox.settings.operator_number
        extension = system.operator_key if own in (None, "") else str(own)
        if not system.operator_context or not DIALLABLE.fullmatch(extension):
            return None
        exists = await self.call.extension_exists(system.operator_context, extension)
        return (system.operator_context, extension) if exists else None
