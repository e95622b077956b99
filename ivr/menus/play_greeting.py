"""Playing the greeting of a mailbox and reporting the key that ends it, for a dialplan that has a menu of its own."""

from __future__ import annotations

from ivr.menus.dialplan_status import Status
from ivr.menus.greeting import play_greeting
from ivr.menus.menu import CallerMenu, NextStep

KEY_VARIABLE = "IVR_KEY"


class PlayGreeting(CallerMenu):
    """Sets IVR_KEY to the key that ended the greeting, "" if none did."""

    async def run(self) -> NextStep:
        played = await play_greeting(self)
        await self.call.set_variable(KEY_VARIABLE, played.key or "")
        return Status.DONE
