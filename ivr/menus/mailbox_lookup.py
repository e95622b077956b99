"""Which mailbox a call is for.

The lookup order is: the id in the channel variable `var`, the id, the number, then the mailboxes of the calling
endpoint's user.
"""

from __future__ import annotations

from ivr.errors import NotFound
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.context import CallContext


async def find_mailbox(call_context: CallContext) -> tuple[Mailbox | None, bool]:
    """Return the mailbox, and whether the call named one. (None, True): the named mailbox does not exist."""
    call, services = call_context.call, call_context.services
    arguments = call.incoming.arguments
    box_id = (await call.get_variable(arguments.var) if arguments.var else "") or arguments.id
    if box_id:
        return await _find_in_account(call_context, box_id), True
    if arguments.number:
        by_number = services.boxes.find_by_number(call_context.account.id, arguments.number)
        return await call.run_while_listening(by_number), True
    mailbox = await call.run_while_listening(_find_by_user(call_context))
    return mailbox, mailbox is not None


async def _find_by_user(call_context: CallContext) -> Mailbox | None:
    """Return the default mailbox of the endpoint's user, their only one, or the one with the caller's number."""
    user, arguments = call_context.user, call_context.call.incoming.arguments
    if user is None or user.account_id != call_context.account.id:
        return None
    if user.voicemail_id and (default := await _find_in_account(call_context, user.voicemail_id)):
        return default
    owned = await call_context.services.boxes.list_by_owner(user, call_context.account)
    if arguments.single_mailbox_login and len(owned) == 1:
        return owned[0]
    if arguments.callerid_match_login:
        caller_number = call_context.call.incoming.caller_number
        return next((mailbox for mailbox in owned if mailbox.number == caller_number), None)
    return None


async def _find_in_account(call_context: CallContext, box_id: str) -> Mailbox | None:
    """Return the mailbox `box_id`; None if it belongs to another account."""
    try:
        mailbox = await call_context.services.boxes.get(box_id)
    except NotFound:
        return None
    return mailbox if mailbox.account_id == call_context.account.id else None
