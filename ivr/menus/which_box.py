"""Which box a call is about (kazoo-behaviour §1.1: the lookup order; SI07: the user's default box)."""

from __future__ import annotations

from ivr.errors import NotFound
from ivr.mailbox.mailbox import Mailbox
from ivr.menus.visit import Visit


async def which_box(visit: Visit) -> tuple[Mailbox | None, bool]:
    """The box, and whether the call named one: a named box that does not exist is (None, True)."""
    arguments = visit.call.arrival.arguments
    box_id = (await visit.call.variable(arguments.var) if arguments.var else "") or arguments.id
    if box_id:
        return await _of_this_account(visit, box_id), True
    if arguments.number:
        return await visit.call.work(visit.mailroom.boxes.by_number(visit.account.id, arguments.number)), True
    found = await visit.call.work(_of_the_user(visit))
    return found, found is not None


async def _of_the_user(visit: Visit) -> Mailbox | None:
    """The default box of the calling device's user, their only one, or the one with the caller-id number."""
    user, arguments = visit.user, visit.call.arrival.arguments
    if user is None or user.account_id != visit.account.id:
        return None
    if user.voicemail_id and (default := await _of_this_account(visit, user.voicemail_id)):
        return default
    owned = await visit.mailroom.boxes.owned_by(user, visit.account)
    if arguments.single_mailbox_login and len(owned) == 1:
        return owned[0]
    if arguments.callerid_match_login:
        caller = visit.call.arrival.caller_number
        return next((mailbox for mailbox in owned if mailbox.number == caller), None)
    return None


async def _of_this_account(visit: Visit, box_id: str) -> Mailbox | None:
    """A box of another account does not exist here."""
    try:
        mailbox = await visit.mailroom.boxes.get(box_id)
    except NotFound:
        return None
    return mailbox if mailbox.account_id == visit.account.id else None
