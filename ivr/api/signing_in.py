"""Getting a token for a while: PUT /v2/user_auth and PUT /v2/api_auth (kazoo-behaviour §4.1)."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ivr.api import openapi
from ivr.api.asker import TheRooms, address_of
from ivr.api.body import Body, TheBody
from ivr.api.envelope import success
from ivr.api.rooms import Rooms
from ivr.directory.people import Account
from ivr.directory.tokens import Token, TokenKind
from ivr.errors import InvalidFields, NotFound, NotSignedIn

router = APIRouter(prefix="/v2", tags=["Signing in"])


@router.put("/user_auth", status_code=201, **openapi.USER_AUTH)
async def user_auth(request: Request, rooms: TheRooms, body: TheBody) -> Response:
    """Signs in with `credentials`, the md5 of `username:password` in hex, and `account_name` or `account_realm`."""
    credentials = _text(body, "credentials").lower()
    await rooms.tries.charge(address_of(request))
    account = await _account(rooms, body)
    right = re.fullmatch("[0-9a-f]{32}", credentials) and body.data.get("method", "md5") == "md5"
    user_id = await rooms.credentials.user_id(account.id if account else None, credentials if right else "")
    if account is None or user_id is None:
        raise NotSignedIn("these credentials do not hold")
    await rooms.tries.forgive(address_of(request))
    session = await rooms.tokens.create(
        account.id, user_id, "user_auth", lasts_s=rooms.limits.session_s, kind=TokenKind.LOGIN
    )
    return _signed_in(request, *session)


@router.put("/api_auth", status_code=201, **openapi.API_AUTH)
async def api_auth(request: Request, rooms: TheRooms, body: TheBody) -> Response:
    """Signs in with `api_key`, a token of `ivr token create`: what is given instead ends by itself."""
    key = _text(body, "api_key")
    await rooms.tries.charge(address_of(request))
    token = await rooms.tokens.find(key)
    if token is None or token.kind is not TokenKind.KEY:
        raise NotSignedIn("this key does not hold")
    await rooms.tries.forgive(address_of(request))
    session = await rooms.tokens.create(
        token.account_id, token.user_id, "api_auth", lasts_s=rooms.limits.session_s, kind=TokenKind.SESSION,
        parent=token,
    )  # fmt: skip
    return _signed_in(request, *session)


def _signed_in(request: Request, text: str, token: Token) -> Response:
    data = {"account_id": token.account_id, "owner_id": token.user_id, "expires_at": token.expires_at}
    known = {key: value for key, value in data.items() if value is not None}
    return success(request, known, status=201, token=text, revision=token.id)


async def _account(rooms: Rooms, body: Body) -> Account | None:
    name: Any = body.data.get("account_name") or body.data.get("account_realm") or body.data.get("account_id")
    if not isinstance(name, str):
        raise InvalidFields({"account_name": {"required": {"message": "Field is required but missing"}}})
    try:
        return await rooms.directory.account_called(name)
    except NotFound:
        return None  # Goes on as if it were there: how long an answer takes must not tell.


def _text(body: Body, name: str) -> str:
    value = body.data.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidFields({name: {"required": {"message": "Field is required but missing"}}})
    return value
