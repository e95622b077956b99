"""Signing in of desk phones: each request carries the secret of the device, or a mailbox number and its PIN."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.requests import Request

from ivr.directory.models import Account
from ivr.errors import Forbidden, Unauthorized
from ivr.storage.records import Actor, Door, Token, TokenKind
from ivr.web.page_dependencies import PageServices
from ivr.web.page_sessions import PageSession, client_address, find_language, is_secure
from ivr.web.page_sign_in import open_box_by_pin

KEY_PARAMETER = "key"
"""The secret of the device, for phones that send no `Authorization`."""


@dataclass(frozen=True)
class DeskPhoneSession(PageSession):
    """A desk phone, for one request. `text`: the secret that its addresses carry on; "" if the request has a header."""

    def actor(self, request: Request) -> Actor:
        """Return the phone as the audit log names it."""
        device = f"{client_address(request)} desk phone {self.token.label}"
        proof = "PIN" if self.is_by_pin else "device secret"
        return Actor(Door.PAGE, self.token.user_id or "", device, proof)


async def authenticate(request: Request, services: PageServices) -> DeskPhoneSession:
    """Return the session of a request. Raises `Unauthorized`, `RateLimited`, `Forbidden`.

    Wrong secrets and PINs count for the address of the phone; a wrong PIN counts as it does at the phone menu.
    """
    if not (is_secure(request) or services.limits.phones_without_tls or _is_loopback(request)):
        raise Forbidden("plain HTTP")
    key = request.query_params.get(KEY_PARAMETER, "")
    name, password = ("", key) if key else _basic(request)
    by_pin = password.isascii() and password.isdigit()
    token, account = await (_by_pin if by_pin else _by_secret)(request, services, name, password)
    language = await find_language(services, token, account)
    return DeskPhoneSession(
        services=services, account_id=account.id, language=language, token=token, account=account, text=key
    )


def _basic(request: Request) -> tuple[str, str]:
    """Return name and password of `Authorization: Basic`. Raises `Unauthorized`."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unauthorized("Authorization: Basic is not base64 of name:password") from error
    if scheme.lower() != "basic" or not colon or not password:
        raise Unauthorized("name and password are missing")
    return name.strip(), password.strip()


async def _by_pin(request: Request, services: PageServices, name: str, pin: str) -> tuple[Token, Account]:
    """Return what a session of one mailbox is for. `name`: its number, behind an @ the account if there are several."""
    number, _, account_name = name.partition("@")
    limiter, address = services.api.auth.rate_limiter, client_address(request)
    await limiter.require_attempt(address)
    mailbox, problem = await open_box_by_pin(request, account_name, number, pin)
    await limiter.settle(address, is_right=mailbox is not None)
    if mailbox is None:
        raise Unauthorized(problem)
    if problem:
        raise Forbidden(problem)
    token = Token(
        hash="",
        account_id=mailbox.account_id,
        user_id=None,
        label=number,
        kind=TokenKind.PHONE,
        created_at=0,
        expires_at=None,
        box_id=mailbox.id,
    )
    return token, mailbox.account


async def _by_secret(request: Request, services: PageServices, name: str, secret: str) -> tuple[Token, Account]:
    """Return what a session of the user of a device is for. `name`: of its endpoint; "": any.

    Raises `Unauthorized`, `RateLimited`. A secret cannot be guessed: a right one works from every address.
    """
    auth = services.api.auth
    token = await auth.tokens.find_phone_secret(secret)
    user = await auth.directory.user_of_endpoint(services.asterisk_name, token.label) if token else None
    if token is None or user is None or user.id != token.user_id or name not in ("", token.label):
        await auth.count_guess(secret, client_address(request))
        raise Unauthorized("wrong secret")
    auth.tokens.use.note(token)
    return token, await auth.directory.account(token.account_id)


def _is_loopback(request: Request) -> bool:
    try:
        return ip_address(client_address(request)).is_loopback
    except ValueError:
        return False
