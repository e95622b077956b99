"""Signing in to a box: its number, its PIN, or neither (kazoo-behaviour §1.2, §1.6; design: PINs)."""

from __future__ import annotations

from ivr.mailbox.mailbox import Mailbox
from ivr.menus import outcome
from ivr.menus.menu import Menu, Next
from ivr.menus.visit import Status, Visit
from ivr.menus.welcome import Welcome


class SignIn(Menu):
    """`mailbox` is the box that the call came for. None: it is still to be `named`, or there is no such box."""

    def __init__(self, visit: Visit, mailbox: Mailbox | None, *, named: bool) -> None:
        super().__init__(visit)
        self._mailbox = mailbox
        self._named = named

    async def run(self) -> Next:
        """Box numbers and PINs share the tries of one call. A box that does not exist sounds like a wrong PIN."""
        await self.call.answer()
        await outcome.listens(self.call)
        for _ in range(self.mailroom.system.max_login_attempts):
            if not self._named and not await self._ask_number():
                continue
            if self._mailbox and self._needs_no_pin(self._mailbox):
                return self._enter(self._mailbox, own_phone=True)
            if self._mailbox and not await self.call.work(self.mailroom.pins.has_one(self._mailbox)):
                return await self.goodbye("login/no-access", status=Status.NOACCESS)
            if await self._pin_opens() and self._mailbox:
                return self._enter(self._mailbox, own_phone=self.visit.owns(self._mailbox))
            await self.refuse("login/wrong-pin")
        return await self.goodbye("login/too-many-tries", status=Status.NOACCESS)

    async def _ask_number(self) -> bool:
        entry = await self.ask_digits("login/enter-box", self.mailroom.system.max_box_number_length)
        if not entry.digits:
            await self.refuse("entry/invalid")
            return False
        self._named = True
        self._mailbox = await self.call.work(self.mailroom.boxes.by_number(self.visit.account.id, entry.digits))
        return True

    def _needs_no_pin(self, mailbox: Mailbox) -> bool:
        asked_anyway = mailbox.settings.require_pin or mailbox.system.force_require_pin
        return self.visit.owns(mailbox) and not asked_anyway

    async def _pin_opens(self) -> bool:
        entry = await self.ask_digits("login/enter-pin", self.mailroom.system.max_pin_length, secret=True)
        own_phone = self._mailbox is not None and self.visit.owns(self._mailbox)
        attempt = self.visit.attempt(self._mailbox)
        return await self.call.work(self.mailroom.pins.opens(self._mailbox, entry.digits, attempt, own_phone=own_phone))

    def _enter(self, mailbox: Mailbox, *, own_phone: bool) -> Next:
        return Welcome(self.visit.signed_in(mailbox, own_phone=own_phone))
