"""Sessions: signing in, looking at one's own session, and signing out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ivr.api import audit, openapi
from ivr.api.auth import client_address, extract_token, find_token, get_services
from ivr.api.dependencies import AuthServices
from ivr.api.direct_route import DirectRoute
from ivr.api.envelope import success
from ivr.api.request_body import Body, BodyDep, SignInBodyDep
from ivr.directory.credentials import CREDENTIALS_DIGITS
from ivr.directory.models import Account
from ivr.errors import NOT_ENUMERATED, Forbidden, InvalidFields, NotFound, Unauthorized
from ivr.storage.records import AuditAction, Token, TokenKind

ACCOUNT_NAME_MEMBERS = ("account_name", "account_realm", "realm", "account_id")
"""Members of a sign-in that name the account; clients of Kazoo use all of them."""
DEFAULT_METHOD = "md5"

router = APIRouter(prefix="/v2", tags=["Signing in"], route_class=DirectRoute)


@router.put("/user_auth", status_code=201, **openapi.USER_AUTH)
async def user_auth(request: Request, body: SignInBodyDep) -> Response:
    """Sign in with `credentials`, the MD5 or SHA-1 of `username:password` in hex, and the account.

    The account is `account_name`, `account_realm`, `realm`, `account_id`, or `phone_number`, a mailbox number that only
    one account has. `method` is `md5` or `sha`.
    """
    services = get_services(request)
    auth, credentials, method = services.auth, _required_text(body, "credentials").lower(), _parse_method(body)
    await auth.rate_limiter.require_attempt(client_address(request))
    account = await _find_account(auth, body)
    digits = CREDENTIALS_DIGITS[method]
    is_digest = len(credentials) == digits and set(credentials) <= set("0123456789abcdef")
    user_id = await auth.credentials.authenticate(account.id if account else None, credentials if is_digest else "")
    await auth.rate_limiter.settle(client_address(request), is_right=user_id is not None)
    if account is None or user_id is None:
        raise Unauthorized("invalid credentials")
    text, token = await auth.tokens.create(
        account.id,
        user_id,
        "user_auth",
        lifetime_s=services.limits.session_lifetime_s,
        kind=TokenKind.LOGIN,
        max_sessions=services.limits.max_sessions,
    )
    await audit.record_session(request, AuditAction.SIGNED_IN, token)
    return await _session_response(request, token, 201, text)


@router.put("/api_auth", status_code=201, **openapi.API_AUTH)
async def api_auth(request: Request, body: SignInBodyDep) -> Response:
    """Exchange `api_key`, a token made by `ivr token create`, for a session token that expires by itself."""
    services = get_services(request)
    auth, api_key = services.auth, _required_text(body, "api_key")
    parent = await auth.tokens.find(api_key)
    if parent is None or parent.kind is not TokenKind.API_KEY:
        await auth.count_guess(api_key, client_address(request))
        raise Unauthorized("invalid or expired API key")
    text, token = await auth.tokens.create(
        parent.account_id,
        parent.user_id,
        "api_auth",
        lifetime_s=services.limits.session_lifetime_s,
        kind=TokenKind.SESSION,
        parent=parent,
        max_sessions=services.limits.max_sessions,
    )
    await audit.record_session(request, AuditAction.SIGNED_IN, token)
    return await _session_response(request, token, 201, text)


@router.get("/user_auth", **openapi.GET_SESSION)
async def get_session(request: Request) -> Response:
    """Return what the token of the request is for, and when it expires."""
    token = await find_token(request, get_services(request), extract_token(request))
    return await _session_response(request, token, 200)


@router.delete("/user_auth", **openapi.GET_SESSION)
async def sign_out(request: Request, body: BodyDep) -> Response:
    """End the session of the request: its token is invalid from now on."""
    services = get_services(request)
    token = await find_token(request, services, extract_token(request))
    if token.kind is TokenKind.API_KEY:
        raise Forbidden("the token is an API key and no session: an administrator revokes it with 'ivr token revoke'")
    await services.auth.tokens.end_session(token)
    await audit.record_session(request, AuditAction.SIGNED_OUT, token)
    return await _session_response(request, token, 200)


async def _session_response(request: Request, token: Token, status: int, text: str | None = None) -> Response:
    """Return a session with what clients of Kazoo read. `text`: the token, if it is new."""
    account = await get_services(request).auth.directory.account(token.account_id)
    document: dict[str, Any] = {
        "account_id": token.account_id,
        "account_name": account.name,
        "owner_id": token.user_id,
        "language": account.language,
        "is_reseller": False,
        "apps": [],
        "expires_at": token.expires_at,
    }
    document = {key: value for key, value in document.items() if value is not None}
    return success(request, document, status=status, token=text, is_cacheable=False, revision=token.id)


async def _find_account(auth: AuthServices, body: Body) -> Account | None:
    name = next((_as_text(body.data[member]) for member in ACCOUNT_NAME_MEMBERS if body.data.get(member)), "")
    phone_number = _as_text(body.data.get("phone_number"))
    if name:
        try:
            return await auth.directory.find_account_by_similar_name(name)
        except NotFound:
            return None  # The password is verified all the same: the response time must not reveal unknown accounts.
    if phone_number:
        return await auth.directory.find_account_by_box_number(phone_number)
    wrong = next((member for member in (*ACCOUNT_NAME_MEMBERS, "phone_number") if body.data.get(member)), None)
    if wrong:
        raise InvalidFields({wrong: {"type": {"message": "Value must be text", "target": "string"}}})
    raise InvalidFields({"account_name": {"required": {"message": "Field is required but missing"}}})


def _as_text(value: Any) -> str:
    """Return a text or number as text; empty for other values. Some clients send names of digits as numbers."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _parse_method(body: Body) -> str:
    """Return the digest of the credentials. Raises `InvalidFields` for one that is unknown."""
    method = body.data.get("method")
    if method is None:
        return DEFAULT_METHOD
    if not isinstance(method, str) or method not in CREDENTIALS_DIGITS:
        violation = {"message": NOT_ENUMERATED, "target": ", ".join(CREDENTIALS_DIGITS)}
        raise InvalidFields({"method": {"enum": violation}})
    return method


def _required_text(body: Body, name: str) -> str:
    value = body.data.get(name)
    if value and not isinstance(value, str):
        raise InvalidFields({name: {"type": {"message": "Value must be text", "target": "string"}}})
    if not value:
        raise InvalidFields({name: {"required": {"message": "Field is required but missing"}}})
    return str(value)
