"""The operator of a box, whom a caller reaches by a key (kazoo-behaviour §1.3, §2.3)."""

from __future__ import annotations

import re

from ivr.menus.menu import CallerMenu
from ivr.menus.visit import Status

DIALLABLE = re.compile(r"[A-Za-z0-9*#+]{1,36}")
"""It goes into a dialplan expression, so nothing that means something there gets through."""


class Operator(CallerMenu):
    """The box's own, else the system's: an extension of the account's operator context."""

    async def run(self) -> Status | None:
        """Send the call there; None where there is no operator, and nothing was said."""
        extension = await self.extension()
        if extension is None:
            return None
        self.call.journal.note("operator", extension=extension)
        await self.say("greeting/transferring")
        await self.call.leave(self.mailbox.system.operator_context, extension)
        return Status.BRANCH

    async def extension(self) -> str | None:
        """Where the operator is, if there is one."""
        system, own = self.mailbox.system, self.mailbox.settings.operator_number
        extension = system.operator_key if own in (None, "") else str(own)
        if not system.operator_context or not DIALLABLE.fullmatch(extension):
            return None
        return extension if await self.call.extension_exists(system.operator_context, extension) else None
