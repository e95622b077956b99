"""Asking for number and PIN of a mailbox on behalf of the dialplan, which decides what the caller may do then."""

from __future__ import annotations

from typing import Any

from ivr.call.arguments import InstructionsChoice
from ivr.call.base import DigitsResult
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import PIN_PROOF, CallContext
from ivr.menus.dialplan_status import Status, report_authenticated
from ivr.menus.menu import Menu, NextStep
from ivr.menus.sign_in import SignIn
from ivr.storage.records import AuditAction


class Authenticate(SignIn):
    """Asks as the sign-in does, with its tries and its lockout, but opens no mailbox.

    The PIN is asked for on every phone: the dialplan wants to know the person, not the phone.
    """

    def __init__(self, call_context: CallContext, mailbox: Mailbox | None, *, mailbox_specified: bool) -> None:
        super().__init__(call_context, mailbox, mailbox_specified=mailbox_specified)
        skip_instructions = call_context.call.incoming.arguments.skip_instructions
        self._is_prompt_skipped = skip_instructions is InstructionsChoice.SKIP

    async def ask_digits(self, *prompts: Any, max_digits: int, secret: bool = False) -> DigitsResult:
        """Ask without a prompt the first time, if the dialplan has played its own."""
        if self._is_prompt_skipped:
            self._is_prompt_skipped = False
            return await self.call.collect_digits([], max_digits, secret=secret)
        return await super().ask_digits(*prompts, max_digits=max_digits, secret=secret)

    def _is_pin_exempt(self, mailbox: Mailbox) -> bool:
        return False

    async def _is_closed_to_owner(self, mailbox: Mailbox) -> bool:
        return False

    async def _leave(self) -> NextStep:
        return Status.EXIT

    def _open_session(self, mailbox: Mailbox, *, own_phone: bool, has_pin: bool) -> NextStep:
        return Authenticated(self.call_context, mailbox)


class Authenticated(Menu):
    """The caller has entered the PIN of `mailbox`."""

    def __init__(self, call_context: CallContext, mailbox: Mailbox) -> None:
        super().__init__(call_context)
        self._mailbox = mailbox

    async def run(self) -> NextStep:
        self.services.audit_log.record_soon(
            self.call_context.actor(self._mailbox, PIN_PROOF),
            AuditAction.SIGNED_IN,
            account_id=self._mailbox.account_id,
            box_id=self._mailbox.id,
        )
        await report_authenticated(self.call, self._mailbox)
        return Status.DONE
