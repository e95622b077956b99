"""Signing in to a mailbox: its number and its PIN, as far as they are needed."""

from __future__ import annotations

from ivr.mailbox.mailbox import Mailbox
from ivr.menus import dialplan_status
from ivr.menus.after_login import AfterLogin
from ivr.menus.context import CallContext
from ivr.menus.dialplan_status import Status
from ivr.menus.menu import Menu, NextStep


class SignIn(Menu):
    """Signs a call in.

    `mailbox`: the mailbox that the call is for; None if there is none, or if its number is still to be asked for.
    `mailbox_specified`: whether the call or the caller has named a mailbox.
    """

    def __init__(self, call_context: CallContext, mailbox: Mailbox | None, *, mailbox_specified: bool) -> None:
        super().__init__(call_context)
        self._mailbox = mailbox
        self._mailbox_specified = mailbox_specified

    async def run(self) -> NextStep:
        """Return the first menu of the owner, or the end of the call after too many tries.

        Mailbox numbers and PINs share the tries of one call. An unknown mailbox sounds like a wrong PIN.
        """
        await self.call.answer()
        await dialplan_status.report_owner_login(self.call)
        for _ in range(self.services.system_settings.max_login_attempts):
            if not self._mailbox_specified and not await self._ask_number():
                continue
            if self._mailbox and self._is_pin_exempt(self._mailbox):
                return self._open_session(self._mailbox, own_phone=True)
            if self._mailbox and not await self.call.run_while_listening(self.services.pins.has_pin(self._mailbox)):
                return await self.say_goodbye("login/no-access", status=Status.NOACCESS)
            if await self._verify_pin() and self._mailbox:
                return self._open_session(self._mailbox, own_phone=self.call_context.is_owner(self._mailbox))
            await self.reject("login/wrong-pin")
        return await self.say_goodbye("login/too-many-tries", status=Status.NOACCESS)

    async def _ask_number(self) -> bool:
        entry = await self.ask_digits("login/enter-box", self.services.system_settings.max_box_number_length)
        if not entry.digits:
            await self.reject("entry/invalid")
            return False
        self._mailbox_specified = True
        self._mailbox = await self.call.run_while_listening(
            self.services.boxes.find_by_number(self.call_context.account.id, entry.digits)
        )
        return True

    def _is_pin_exempt(self, mailbox: Mailbox) -> bool:
        pin_required = mailbox.settings.require_pin or mailbox.voicemail_settings.force_require_pin
        return self.call_context.is_owner(mailbox) and not pin_required

    async def _verify_pin(self) -> bool:
        entry = await self.ask_digits("login/enter-pin", self.services.system_settings.max_pin_length, secret=True)
        own_phone = self._mailbox is not None and self.call_context.is_owner(self._mailbox)
        attempt = self.call_context.pin_attempt(self._mailbox)
        return await self.call.run_while_listening(
            self.services.pins.verify(self._mailbox, entry.digits, attempt, own_phone=own_phone)
        )

    def _open_session(self, mailbox: Mailbox, *, own_phone: bool) -> NextStep:
        return AfterLogin(self.call_context.open_session(mailbox, own_phone=own_phone))
