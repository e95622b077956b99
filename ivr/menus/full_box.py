"""A box that takes no more messages: callers are told before they talk (kazoo-behaviour §1.5)."""

from __future__ import annotations

from ivr.menus.greeting import greeting, introduction
from ivr.menus.menu import CallerMenu, Next
from ivr.menus.sign_in import SignIn
from ivr.menus.visit import Status


class FullBox(CallerMenu):
    """Only the key to sign in is heard: there is nothing else to be done here."""

    async def run(self) -> Next:
        await self.call.work(self.mailroom.messages.tell_full(self.mailbox.account_id, self.mailbox.id))
        sounds = [*await introduction(self), *await greeting(self), await self.sound("greeting/mailbox-full")]
        played = await self.call.play(sounds, keys=self.keys.key("greeting", "login"))
        return SignIn(self.visit, self.mailbox, named=True) if played.key else Status.FULL
