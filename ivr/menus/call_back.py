"""Calling back the person who left a message, restricted to prevent toll fraud.

A caller can leave a message with any number as caller id. Therefore the call only goes to the one dialplan context that
the site has set up for it, only to 1 to 15 digits that exist there, and from outside phones only if the system allows
it.
"""

from __future__ import annotations

import re

from ivr.menus.context import OwnerSession
from ivr.menus.dialplan_status import Status
from ivr.menus.menu import NextStep, OwnerMenu
from ivr.storage.records import Message

DIALLABLE = re.compile(r"[0-9]{1,15}")


class CallBackToCaller(OwnerMenu):
    """Sends the call to the account's call-back context, or plays the reason why it cannot."""

    def __init__(self, session: OwnerSession, message: Message) -> None:
        super().__init__(session)
        self._number = message.caller.number

    @staticmethod
    def is_offered(session: OwnerSession, message: Message) -> bool:
        """Return whether the spoken menu offers it."""
        system = session.mailbox.voicemail_settings
        enabled = bool(system.callback_context) and not system.should_disable_callback
        return enabled and _may_dial_out(session) and bool(DIALLABLE.fullmatch(message.caller.number))

    async def run(self) -> NextStep | None:
        """Return where the call continues; None after a rejection, which returns to the message."""
        system = self.mailbox.voicemail_settings
        if system.should_disable_callback or not self._number:
            await self.reject("callback/not-available")
        elif not system.callback_context or not _may_dial_out(self.session):
            await self.reject("callback/not-allowed")
        elif not DIALLABLE.fullmatch(self._number) or not await self._extension_exists(system.callback_context):
            await self.reject("callback/no-such-number")
        else:
            await self.say("callback/calling")
            await self.call.continue_at(system.callback_context, self._number)
            return Status.BRANCH
        return None

    async def _extension_exists(self, context: str) -> bool:
        return await self.call.extension_exists(context, self._number)


def _may_dial_out(session: OwnerSession) -> bool:
    return (
        session.call_context.user is not None or not session.mailbox.voicemail_settings.should_disable_offnet_callback
    )
