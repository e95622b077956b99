"""Which box a call is about (kazoo-behaviour §1.1: the lookup order; SI07: the user's default box)."""

from __future__ import annotations

from ivr.errors import NotFound
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import CallContext


async def find_mailbox(call_context: CallContext) -> tuple[Mailbox | None, bool]:
    """The box, and whether the call named one: a named box that does not exist is (None, True)."""
    arguments = call_context.call.incoming.arguments
    box_id = (await call_context.call.get_variable(arguments.var) if arguments.var else "") or arguments.id
    if box_id:
        return await _find_in_account(call_context, box_id), True
    if arguments.number:
        return await call_context.call.run_while_listening(
            call_context.services.boxes.by_number(call_context.account.id, arguments.number)
        ), True
    found = await call_context.call.run_while_listening(_find_by_user(call_context))
    return found, found is not None


async def _find_by_user(call_context: CallContext) -> Mailbox | None:
    """The default box of the calling device's user, their only one, or the one with the caller-id number."""
    user, arguments = call_context.user, call_context.call.incoming.arguments
    if user is None or user.account_id != call_context.account.id:
        return None
    if user.voicemail_id and (default := await _find_in_account(call_context, user.voicemail_id)):
        return default
    owned = await call_context.services.boxes.owned_by(user, call_context.account)
    if arguments.single_mailbox_login and len(owned) == 1:
        return owned[0]
    if arguments.callerid_match_login:
        caller = call_context.call.incoming.caller_number
        return next((mailbox for mailbox in owned if mailbox.number == caller), None)
    return None


async def _find_in_account(call_context: CallContext, box_id: str) -> Mailbox | None:
    """A box of another account does not exist here."""
    try:
        mailbox = await call_context.services.boxes.get(box_id)
    except NotFound:
        return None
    return mailbox if mailbox.account_id == call_context.account.id else None
