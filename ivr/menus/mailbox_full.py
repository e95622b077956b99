"""A box that takes no more messages: callers are told before they talk (kazoo-behaviour §1.5)."""

from __future__ import annotations

import structlog

from ivr.errors import StoreError
from ivr.menus.context import Status
from ivr.menus.greeting_audio import play_greeting, render_introduction
from ivr.menus.menu import CallerMenu, NextStep
from ivr.menus.sign_in import SignIn

log = structlog.get_logger()


class MailboxFull(CallerMenu):
    """Only the key to sign in is heard: there is nothing else to be done here."""

    async def run(self) -> NextStep:
        await self.call.run_while_listening(self._notify_owner())
        before, full = await render_introduction(self), [await self.render("greeting/mailbox-full")]
        played = await play_greeting(self, prefix=before, suffix=full, keys=self.key_map.key("greeting", "login"))
        return SignIn(self.call_context, self.mailbox, mailbox_specified=True) if played.key else Status.FULL

    async def _notify_owner(self) -> None:
        """Ask for the owner to be told; the caller is told all the same."""
        try:
            await self.services.messages.tell_full(self.mailbox.account_id, self.mailbox.id)
        except StoreError as error:
            log.warning("box.full_not_told", box=self.mailbox.id, error=str(error))
