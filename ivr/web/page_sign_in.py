"""Signing in to the page and out of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ivr.directory.credentials import kazoo_credentials_md5
from ivr.directory.models import Account
from ivr.directory.pin_lockout import PinAttempt
from ivr.errors import NotFound, RateLimited
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pin_strength import MIN_PIN_LENGTH
from ivr.storage.records import Actor, AuditAction, Door, Token, TokenKind
from ivr.web.live_updates import UNKNOWN
from ivr.web.page_dependencies import PageServices
from ivr.web.page_rendering import PageRenderer, first, flat, read_form
from ivr.web.page_sessions import (
    PageSession,
    client_address,
    find_session,
    get_page_services,
    remove_session_cookie,
    require_form_token,
    require_same_origin,
    require_session,
    set_session_cookie,
)

LABEL = "page"
NOTICES = ("signed_out", "signed_out_everywhere", "session_ended")
SEE_OTHER = 303


class SignInPages:
    """The page before a sign-in, and the forms that begin and end sessions."""

    def __init__(self, renderer: PageRenderer) -> None:
        self._renderer = renderer

    async def start(self, request: Request) -> Response:
        """Show the forms of the sign-in; for a session, go to its mailbox or show the mailboxes that it reaches."""
        session = await find_session(request)
        if session is None:
            notice = request.query_params.get("notice", "")
            return await self._sign_in_page(request, notice=notice if notice in NOTICES else "")
        if session.token.box_id is not None:
            return RedirectResponse(f"/page/box/{session.token.box_id}", SEE_OTHER)
        boxes, disabled = await session.list_own_boxes()
        if len(boxes) == 1 and not disabled:
            return RedirectResponse(f"/page/box/{boxes[0].record.id}", SEE_OTHER)
        return await self._renderer.render(
            request, "boxes.html", boxes=boxes, disabled=disabled, live="/page/live", changes=UNKNOWN
        )

    async def sign_in(self, request: Request) -> Response:
        """Begin a session, with a PIN or with a password."""
        require_same_origin(request)
        form = flat(await read_form(request))
        services = get_page_services(request)
        try:
            await services.api.auth.rate_limiter.require_attempt(client_address(request))
            with_pin = form.get("with") == "pin"
            text, problem = await (_open_with_pin if with_pin else _open_with_password)(request, services, form)
        except RateLimited:
            return await self._sign_in_page(request, problem="too_many_tries", status=429, form=form)
        if not text:
            status = 403 if problem in ("set_up_by_phone", "new_pin_by_phone") else 401
            return await self._sign_in_page(request, problem=problem, status=status, form=form)
        response = RedirectResponse("/", SEE_OTHER)
        set_session_cookie(request, response, text)
        return response

    async def sign_out(self, request: Request) -> Response:
        """End the session of this browser; with the field `everywhere`, all sessions of its owner."""
        session = await require_session(request)
        form = await read_form(request)
        require_form_token(request, session, flat(form))
        tokens, account_id = session.services.api.auth.tokens, session.account.id
        notice = "signed_out"
        if first(form, "everywhere"):
            notice = "signed_out_everywhere"
            if session.token.user_id is not None:
                await tokens.revoke_logins(account_id, session.token.user_id)
            await tokens.revoke_pin_sessions(account_id, [box.record.id for box in await session.list_boxes()])
        await tokens.end_session(session.token)
        await session.record(request, AuditAction.SIGNED_OUT, session.token.box_id, session.token.id)
        response = RedirectResponse(f"/?notice={notice}", SEE_OTHER)
        remove_session_cookie(request, response)
        return response

    async def _sign_in_page(
        self,
        request: Request,
        *,
        notice: str = "",
        problem: str = "",
        status: int = 200,
        form: Mapping[str, str] | None = None,
    ) -> Response:
        single = await get_page_services(request).api.auth.directory.single_account()
        return await self._renderer.render(
            request,
            "sign_in.html",
            status=status,
            notice=notice,
            problem=problem,
            asks_account=single is None,
            form={name: (form or {}).get(name, "") for name in ("number", "username", "account", "with")},
        )


async def _open_with_pin(request: Request, services: PageServices, form: Mapping[str, str]) -> tuple[str, str]:
    """Return the cookie of a new session; else "" and why not. A locked mailbox looks like a wrong PIN."""
    mailbox, problem = await open_box_by_pin(
        request, form.get("account", ""), form.get("number", ""), form.get("pin", "")
    )
    await services.api.auth.rate_limiter.settle(client_address(request), is_right=mailbox is not None)
    if mailbox is None or problem:
        return "", problem
    text, token = await begin_pin_session(services, mailbox)
    session = PageSession(
        services=services,
        account_id=mailbox.account_id,
        language=mailbox.language,
        token=token,
        account=mailbox.account,
        text=text,
    )
    await session.record(request, AuditAction.SIGNED_IN, mailbox.id, token.id)
    return text, ""


async def begin_pin_session(services: PageServices, mailbox: Mailbox) -> tuple[str, Token]:
    """Begin a session of one mailbox, which its present PIN has opened. Return the cookie and the record."""
    return await services.api.auth.tokens.create(
        mailbox.account_id,
        label=LABEL,
        lifetime_s=services.limits.session_lifetime_s,
        kind=TokenKind.PAGE,
        max_sessions=services.api.limits.max_sessions,
        box_id=mailbox.id,
        proof=await services.pins.fingerprint(mailbox),
    )


async def open_box_by_pin(request: Request, account_name: str, number: str, pin: str) -> tuple[Mailbox | None, str]:
    """Return the mailbox that a PIN opens, or None, and what keeps its owner out; "" if nothing does.

    A wrong PIN, an unknown mailbox, a disabled one and a locked one look the same, and count as they do at the phone.
    """
    services, number, pin = get_page_services(request), number.strip(), pin.strip()
    account = await _find_account(services, account_name, number)
    if len(pin) < MIN_PIN_LENGTH:  # As at the phone: too short for a PIN, and therefore no guess.
        return None, "wrong_pin"
    if account is None:
        await services.secret_store.verify("", None, pin)  # Takes as long as for a known account.
        return None, "wrong_pin"
    mailbox = await services.api.mailbox.boxes.find_by_number(account.id, number) if number else None
    mailbox = mailbox if mailbox and mailbox.settings.enabled else None
    source = f"page {client_address(request)}"
    attempt = PinAttempt(account_id=account.id, box_id=mailbox.id if mailbox else None, source=source)
    if not await services.pins.verify(mailbox, pin, attempt) or mailbox is None:
        return None, "wrong_pin"
    return mailbox, _required_first(mailbox)


def _required_first(mailbox: Mailbox) -> str:
    """Return what the phone asks for before anything else; "" if nothing."""
    if not mailbox.settings.is_setup:
        return "set_up_by_phone"
    return "new_pin_by_phone" if mailbox.settings.pin_must_change else ""


async def _open_with_password(request: Request, services: PageServices, form: Mapping[str, str]) -> tuple[str, str]:
    """Return the cookie of a new session; else "" and why not."""
    account = await _find_account(services, form.get("account", ""), "")
    username = unicodedata.normalize("NFC", form.get("username", ""))  # As it is stored.
    credentials = kazoo_credentials_md5(username, form.get("password", ""))
    user_id = await services.api.auth.credentials.authenticate(account.id if account else None, credentials)
    await services.api.auth.rate_limiter.settle(client_address(request), is_right=user_id is not None)
    if account is None or user_id is None:
        return "", "wrong_password"
    text, token = await services.api.auth.tokens.create(
        account.id,
        user_id,
        LABEL,
        lifetime_s=services.limits.session_lifetime_s,
        kind=TokenKind.PAGE,
        max_sessions=services.api.limits.max_sessions,
    )
    actor = Actor(Door.PAGE, user_id, f"{client_address(request)} session {token.id}", "password")
    await services.api.audit_log.record(actor, AuditAction.SIGNED_IN, account_id=account.id, subjects=(token.id,))
    return text, ""


async def _find_account(services: PageServices, name: str, number: str) -> Account | None:
    """Return the account that a form names, else the only one, else the only one with a mailbox of that number."""
    directory = services.api.auth.directory
    if name.strip():
        try:
            return await directory.find_account_by_similar_name(name.strip())
        except NotFound:
            return None
    if single := await directory.single_account():
        return single
    return await directory.find_account_by_box_number(number) if number else None
