"""A box that takes no more messages: callers are told before they talk (kazoo-behaviour §1.5)."""

from __future__ import annotations

import structlog

from ivr.errors import StoreError
from ivr.menus.menu import CallerMenu, Next
from ivr.menus.salutation import greet, introduction
from ivr.menus.sign_in import SignIn
from ivr.menus.visit import Status

log = structlog.get_logger()


class FullBox(CallerMenu):
    """Only the key to sign in is heard: there is nothing else to be done here."""

    async def run(self) -> Next:
        await self.call.work(self._tell())
        before, full = await introduction(self), [await self.sound("greeting/mailbox-full")]
        played = await greet(self, before=before, after=full, keys=self.keys.key("greeting", "login"))
        return SignIn(self.visit, self.mailbox, named=True) if played.key else Status.FULL

    async def _tell(self) -> None:
        """Ask for the owner to be told; the caller is told all the same."""
        try:
            await self.mailroom.messages.tell_full(self.mailbox.account_id, self.mailbox.id)
        except StoreError as error:
            log.warning("box.full_not_told", box=self.mailbox.id, error=str(error))
