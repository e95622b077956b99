"""Calling back the person who left a message, restricted to prevent toll fraud.

A caller can leave a message with any number as caller id. Therefore the call only goes to the one dialplan context that
the site has set up for it, only to up to 15 digits that exist there in one of the forms of `callback_forms`, and from
outside phones only if the system allows it.
"""

from __future__ import annotations

from ivr.mailbox.caller_id import NumberPlan, dial_forms, identify
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import OwnerSession
from ivr.menus.dialplan_status import Status
from ivr.menus.menu import NextStep, OwnerMenu
from ivr.storage.records import Message


class CallBackToCaller(OwnerMenu):
    """Sends the call to the account's call-back context, or plays the reason why it cannot."""

    def __init__(self, session: OwnerSession, message: Message) -> None:
        super().__init__(session)
        self._number = identify(message.caller).number
        self._extensions = _extensions_to_dial(session.mailbox, message)

    @staticmethod
    def is_offered(session: OwnerSession, message: Message) -> bool:
        """Return whether the spoken menu offers it."""
        system = session.mailbox.voicemail_settings
        enabled = bool(session.mailbox.callback_context) and not system.should_disable_callback
        return enabled and _may_dial_out(session) and bool(_extensions_to_dial(session.mailbox, message))

    async def run(self) -> NextStep | None:
        """Return where the call continues; None after a rejection, which returns to the message."""
        system = self.mailbox.voicemail_settings
        if system.should_disable_callback or not self._number:
            await self.reject("callback/not-available")
        elif not self.mailbox.callback_context or not _may_dial_out(self.session):
            await self.reject("callback/not-allowed")
        elif (extension := await self._find_extension(self.mailbox.callback_context)) is None:
            await self.reject("callback/no-such-number")
        else:
            await self.say("callback/calling")
            await self.call.continue_at(self.mailbox.callback_context, extension)
            return Status.BRANCH
        return None

    async def _find_extension(self, context: str) -> str | None:
        """Return the first form of the number that the context has."""
        for extension in self._extensions:
            if await self.call.extension_exists(context, extension):
                return extension
        return None


def _extensions_to_dial(mailbox: Mailbox, message: Message) -> list[str]:
    system = mailbox.voicemail_settings
    plan = NumberPlan(system.country_code, system.international_prefix, system.national_prefix)
    return dial_forms(identify(message.caller).number, plan, system.callback_forms)


def _may_dial_out(session: OwnerSession) -> bool:
    return (
        session.call_context.user is not None or not session.mailbox.voicemail_settings.should_disable_offnet_callback
    )
