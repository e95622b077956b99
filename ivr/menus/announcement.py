"""A box that only plays its greeting (kazoo-behaviour §1.4)."""

from __future__ import annotations

from ivr.menus.context import Status
from ivr.menus.greeting_audio import play_greeting
from ivr.menus.menu import CallerMenu, NextStep
from ivr.menus.sign_in import SignIn


class Announcement(CallerMenu):
    """Keys other than those to sign in and to go on are ignored."""

    async def run(self) -> NextStep:
        meant = self.key_map.key("greeting", "login") + self.key_map.key("greeting", "continue")
        played = await play_greeting(self, keys=meant)
        match self.key_map.action("greeting", played.key):
            case "login":
                return SignIn(self.call_context, self.mailbox, mailbox_specified=True)
            case "continue":
                return Status.EXIT
            case _:
                return Status.DONE
