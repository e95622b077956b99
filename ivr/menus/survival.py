"""A call whose service died, or was stopped, goes on here: over ARI, calls outlive the services that have them.

Whoever had signed in is signed in again only where the store says so, and only if their service was alive less than a
minute ago; anybody else begins anew.
"""

from __future__ import annotations

from ivr.call.arguments import Action
from ivr.call.names import TAKE_VARIABLE
from ivr.call.port import Call
from ivr.errors import NotFound
from ivr.mailbox.store import Earlier
from ivr.menus.visit import Session, Visit

FRESH_S = 60


async def session(visit: Visit, earlier: Earlier) -> Session | None:
    """The session that somebody had; None: they have to sign in."""
    now = visit.mailroom.clock.now()
    if not earlier.box_id or not 0 <= now - earlier.seen_at < FRESH_S:
        return None
    try:
        mailbox = await visit.call.work(visit.mailroom.boxes.get(earlier.box_id))
    except NotFound:
        return None
    return visit.signed_in(mailbox, own_phone=earlier.own_phone)


async def has_left_a_message(call: Call) -> bool:
    """Whether a caller had come to the beep already: the dialplan knows how that ends, and asks again where nothing was
    said (`ivr-alone`)."""
    return call.arrival.arguments.action is Action.LEAVE and bool(await call.variable(TAKE_VARIABLE))
