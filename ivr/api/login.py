"""Routes that issue session tokens: PUT /v2/user_auth and PUT /v2/api_auth."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ivr.api import openapi
from ivr.api.auth import ServicesDep, client_address
from ivr.api.dependencies import AuthServices
from ivr.api.envelope import success
from ivr.api.json_body import Body
from ivr.api.request_body import BodyDep
from ivr.directory.models import Account
from ivr.errors import InvalidFields, NotFound, Unauthorized
from ivr.storage.records import Token, TokenKind

router = APIRouter(prefix="/v2", tags=["Signing in"])


@router.put("/user_auth", status_code=201, **openapi.USER_AUTH)
async def user_auth(request: Request, services: ServicesDep, body: BodyDep) -> Response:
    """Sign in with `credentials`, the MD5 of `username:password` in hex, and `account_name` or `account_realm`."""
    auth, credentials = services.auth, _required_text(body, "credentials").lower()
    await auth.rate_limiter.register_attempt(client_address(request))
    account = await _find_account(auth, body)
    is_md5 = re.fullmatch("[0-9a-f]{32}", credentials) and body.data.get("method", "md5") == "md5"
    user_id = await auth.credentials.authenticate(account.id if account else None, credentials if is_md5 else "")
    if account is None or user_id is None:
        raise Unauthorized("invalid credentials")
    await auth.rate_limiter.withdraw_attempt(client_address(request))
    session = await auth.tokens.create(
        account.id, user_id, "user_auth", lifetime_s=services.limits.session_lifetime_s, kind=TokenKind.LOGIN
    )
    return _session_response(request, *session)


@router.put("/api_auth", status_code=201, **openapi.API_AUTH)
async def api_auth(request: Request, services: ServicesDep, body: BodyDep) -> Response:
    """Exchange `api_key`, a token made by `ivr token create`, for a session token that expires by itself."""
    auth, api_key = services.auth, _required_text(body, "api_key")
    await auth.rate_limiter.register_attempt(client_address(request))
    token = await auth.tokens.find(api_key)
    if token is None or token.kind is not TokenKind.API_KEY:
        raise Unauthorized("invalid or expired API key")
    await auth.rate_limiter.withdraw_attempt(client_address(request))
    session = await auth.tokens.create(
        token.account_id,
        token.user_id,
        "api_auth",
        lifetime_s=services.limits.session_lifetime_s,
        kind=TokenKind.SESSION,
        parent=token,
    )
    return _session_response(request, *session)


def _session_response(request: Request, token_text: str, token: Token) -> Response:
    data = {"account_id": token.account_id, "owner_id": token.user_id, "expires_at": token.expires_at}
    document = {key: value for key, value in data.items() if value is not None}
    return success(request, document, status=201, token=token_text, revision=token.id)


async def _find_account(auth: AuthServices, body: Body) -> Account | None:
    name: Any = body.data.get("account_name") or body.data.get("account_realm") or body.data.get("account_id")
    if not isinstance(name, str):
        raise InvalidFields({"account_name": {"required": {"message": "Field is required but missing"}}})
    try:
        return await auth.directory.find_account_by_name(name)
    except NotFound:
        return None  # The password is verified all the same: the response time must not reveal unknown accounts.


def _required_text(body: Body, name: str) -> str:
    value = body.data.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidFields({name: {"required": {"message": "Field is required but missing"}}})
    return value
