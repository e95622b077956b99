"""A call whose service died, or was stopped, goes on here: over ARI, calls outlive the services that have them.

Whoever had signed in is signed in again only where the store says so, and only if their service was alive less than a
minute ago; anybody else begins anew.
"""

from __future__ import annotations

from ivr.call.arguments import Action
from ivr.call.base import Call
from ivr.call.variables import TAKE_VARIABLE
from ivr.errors import NotFound
from ivr.menus.context import CallContext, OwnerSession
from ivr.storage.records import InterruptedCall

MAX_HEARTBEAT_AGE_S = 60


async def resume_session(call_context: CallContext, interrupted_call: InterruptedCall) -> OwnerSession | None:
    """The session that somebody had; None: they have to sign in."""
    now = call_context.services.clock.now()
    if not interrupted_call.box_id or not 0 <= now - interrupted_call.seen_at < MAX_HEARTBEAT_AGE_S:
        return None
    try:
        mailbox = await call_context.call.run_while_listening(call_context.services.boxes.get(interrupted_call.box_id))
    except NotFound:
        return None
    return call_context.open_session(mailbox, own_phone=interrupted_call.own_phone)


async def had_reached_beep(call: Call) -> bool:
    """Whether a caller had come to the beep already: the dialplan knows how that ends, and asks again where nothing was
    said (`ivr-fallback`)."""
    return call.incoming.arguments.action is Action.LEAVE and bool(await call.get_variable(TAKE_VARIABLE))
