"""Calling back who left a message: the owner's own phone rings first."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ivr.mailbox.call_back_rules import CallBackRefusal, find_refusal
from ivr.mailbox.caller_id import identify
from ivr.mailbox.mailbox import Mailbox
from ivr.notifications.call_back_call import CallBackFailure
from ivr.storage.records import AuditAction, Message
from ivr.web.page_rendering import first, flat, read_form
from ivr.web.page_sessions import Attempts, PageSession, require_form_token
from ivr.web.texts import Translator

SEE_OTHER = 303
RINGS = "rings"
NO_PHONE = "no-phone"
PARAMETER = "call_back"
"""Parameter of the page of a message: how a call-back went."""


async def call_back(
    request: Request, attempts: Attempts, session: PageSession, mailbox: Mailbox, message: Message
) -> Response:
    """Let a phone of the owner ring, then show the message again. `phone`: which, if there are several."""
    form = await read_form(request)
    require_form_token(request, session, flat(form))
    phones, calls = await _find_phones(session, mailbox), session.services.call_backs
    wanted = first(form, "phone") or (phones[0] if phones else "")

    async def ring() -> str:
        if calls is None:
            return CallBackFailure.NOT_POSSIBLE
        if wanted not in phones:
            return NO_PHONE
        failure = await calls.call(mailbox, message, wanted)
        if failure is None:
            await session.record(request, AuditAction.CALLED_BACK, mailbox.id, message.id)
        return failure or ""

    outcome = await attempts.once(request, session, (message.id, wanted), ring) or RINGS
    address = f"/page/box/{mailbox.id}/message/{message.id}"
    return RedirectResponse(f"{address}?{urlencode({PARAMETER: outcome})}", SEE_OTHER)


async def phones_to_ring(session: PageSession, mailbox: Mailbox, message: Message) -> list[str]:
    """Return the phones that the page offers for a call-back, by name; none if call-back is not allowed."""
    if session.services.call_backs is None or find_refusal(mailbox, message, by_own_phone=True):
        return []
    return await _find_phones(session, mailbox)


def outcome_texts(request: Request, message: Message, translate: Translator) -> tuple[str, str]:
    """Return the notice and the problem that the address of the page of a message stands for; "" for none."""
    outcome = request.query_params.get(PARAMETER, "")
    if outcome not in (RINGS, NO_PHONE, *CallBackRefusal, *CallBackFailure):
        return "", ""
    text = translate(f"call_back_{outcome}", number=identify(message.caller).number)
    return (text, "") if outcome == RINGS else ("", text)


async def _find_phones(session: PageSession, mailbox: Mailbox) -> list[str]:
    """Return the endpoints of who is signed in; of the owner, if a PIN has opened the mailbox."""
    user_id = session.token.user_id or mailbox.settings.owner_id
    if user_id is None:
        return []
    return await session.services.api.auth.directory.endpoints_of_user(session.services.asterisk_name, user_id)
