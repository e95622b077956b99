"""A box that only plays its greeting (kazoo-behaviour §1.4)."""

from __future__ import annotations

from ivr.menus.menu import CallerMenu, Next
from ivr.menus.salutation import greet
from ivr.menus.sign_in import SignIn
from ivr.menus.visit import Status


class Announcement(CallerMenu):
    """Keys other than those to sign in and to go on are ignored."""

    async def run(self) -> Next:
        meant = self.keys.key("greeting", "login") + self.keys.key("greeting", "continue")
        played = await greet(self, keys=meant)
        match self.keys.action("greeting", played.key):
            case "login":
                return SignIn(self.visit, self.mailbox, named=True)
            case "continue":
                return Status.EXIT
            case _:
                return Status.DONE
