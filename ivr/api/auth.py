"""Authentication by token, and access to the account and its boxes."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Request

from ivr.api.dependencies import ApiServices
from ivr.directory.models import Account
from ivr.errors import Forbidden, NotFound, Unauthorized
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.boxes import settings_from_record
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.storage.records import Actor, AuditAction, BoxQuery, Door, Token, TokenKind

AUTHORIZATION_SCHEMES = ("basic", "bearer", "digest", "negotiate")
BOX_PAGE_SIZE = 500
PROOFS = {TokenKind.LOGIN: "password", TokenKind.SESSION: "API key", TokenKind.API_KEY: "API key"}
BASIC_PROOF = "account id and MD5"
NOT_CONFIGURABLE = "box is not configurable by its owner: use a token for the whole account"


def get_services(request: Request) -> ApiServices:
    """Return the services that the application was built with."""
    services: ApiServices = request.app.state.services
    return services


@dataclass(frozen=True)
class Principal:
    """The account or user that a request is authenticated as."""

    services: ApiServices
    token: Token
    account: Account

    @property
    def user_id(self) -> str | None:
        """The user whose boxes alone are accessible; None: every box of the account is."""
        has_account_scope = self.token.kind is TokenKind.LOGIN and not self.services.limits.own_boxes_only
        return None if has_account_scope else self.token.user_id

    @cached_property
    def voicemail_settings(self) -> VoicemailSettings:
        """The voicemail settings of the account."""
        return self.services.mailbox.boxes.voicemail_settings_for(self.account)

    @property
    def retention_cutoff(self) -> int:
        """Unix time in seconds; older messages are past retention."""
        return self.voicemail_settings.retention_cutoff(self.services.clock.now())

    def can_access(self, settings: BoxSettings) -> bool:
        """Return whether the principal may read and change a box."""
        return self.user_id is None or settings.has_owner_rights(self.user_id)

    def require_account_scope(self) -> None:
        """Raise `Forbidden` unless the token is for the whole account."""
        if self.user_id is not None:
            raise Forbidden("token is limited to one user: use a token for the whole account")

    async def check_changes(self, mailbox: Mailbox, settings: BoxSettings) -> None:
        """Check new settings of a box. Raises `Forbidden`; `InvalidFields` if they exceed an owner's bounds."""
        if self.user_id is None:
            return
        if mailbox.settings.not_configurable:
            raise Forbidden(NOT_CONFIGURABLE)
        await self.services.mailbox.owner_changes.check(mailbox, settings)

    async def get_box(self, box_id: str) -> Mailbox:
        """Return an accessible box of the account. Raises `NotFound` with the id as its cause, `Forbidden`."""
        mailbox = await self.resolve_recipient(box_id)
        if not self.can_access(mailbox.settings):
            raise Forbidden("box belongs to another user: use a token of its owner or for the whole account")
        return mailbox

    async def resolve_recipient(self, box_id: str) -> Mailbox:
        """Return any box of the account; as at the phone, messages may be sent to all of them. Raises `NotFound`."""
        try:
            mailbox = await self.services.mailbox.boxes.get(box_id)
        except NotFound as error:
            raise NotFound(str(error), box_id) from error
        if mailbox.account_id != self.account.id:
            raise NotFound("unknown box", box_id)
        return mailbox

    async def accessible_box_ids(self) -> list[str]:
        """Return the ids of the boxes that the user may access."""
        box_ids: list[str] = []
        after = None
        while True:
            query = BoxQuery(BOX_PAGE_SIZE, lambda box: self.can_access(settings_from_record(box.record)), after)
            page = await self.services.mailbox.lists.list_boxes(self.account.id, query)
            box_ids += [box.record.id for box in page.items]
            if (after := page.next_key) is None:
                return box_ids


async def require_principal(request: Request) -> Principal:
    """Authenticate a request, once. Raises `Unauthorized`, `RateLimited`, `Forbidden`.

    Another account is `Forbidden` whether it exists or not, so that account ids cannot be probed. The dependencies of
    the routes take the request alone: FastAPI needs longer to resolve parameters and nested dependencies than they do.
    """
    state = request.scope["state"]
    principal: Principal | None = state.get("principal")
    if principal is None:
        account_id = request.path_params["account_id"]
        principal = await authenticate(request, get_services(request), account_id, extract_token(request))
        state["principal"] = principal
    return principal


async def authenticate(request: Request, services: ApiServices, account_id: str, text: str) -> Principal:
    """Return the principal of a token. Raises `Unauthorized`, `RateLimited`, `Forbidden`."""
    if not text and services.limits.is_basic_allowed:
        token = await _find_basic(request, services, account_id)
    else:
        token = await find_token(request, services, text)
    if token.account_id != account_id:
        raise Forbidden("token belongs to another account")
    if token.kind is TokenKind.API_KEY or not token.id:  # No session has begun, which would be in the audit log.
        _record_visit(request, services, token)
    return Principal(services, token, await services.auth.directory.account(account_id))


def token_actor(request: Request, token: Token) -> Actor:
    """Return the client as the audit log names it."""
    address, user_id = client_address(request), token.user_id or ""
    if not token.id:
        return Actor(Door.REST, user_id, address, BASIC_PROOF)
    return Actor(Door.REST, user_id, f"{address} token {token.id}", PROOFS[token.kind])


def _record_visit(request: Request, services: ApiServices, token: Token) -> None:
    if services.audit_log.is_new_visit(token.account_id, token.id or token.user_id or "", client_address(request)):
        actor, subject = token_actor(request, token), token.id
        services.audit_log.record_soon(
            actor, AuditAction.SIGNED_IN, account_id=token.account_id, box_id=None, subject=subject
        )


async def _find_basic(request: Request, services: ApiServices, account_id: str) -> Token:
    """Return what a token of the user of `Authorization: Basic` would be. Raises `Unauthorized`, `RateLimited`.

    As in Kazoo, the credentials are the account id and the MD5 of `username:password`.
    """
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise Unauthorized("missing token: send X-Auth-Token or Authorization: Bearer")
    try:
        named_account_id, _, credentials = base64.b64decode(encoded, validate=True).decode("ascii").partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unauthorized("Authorization: Basic is not account_id:md5 in base64") from error
    limiter, address = services.auth.rate_limiter, client_address(request)
    await limiter.require_attempt(address)
    same_account_id = account_id if named_account_id == account_id else None
    user_id = await services.auth.credentials.authenticate(same_account_id, credentials)
    is_right = same_account_id is not None and user_id is not None
    await limiter.settle(address, is_right=is_right)
    if not is_right:
        raise Unauthorized("invalid credentials")
    return Token("", account_id, user_id, "basic", TokenKind.LOGIN, created_at=0, expires_at=None)


async def find_token(request: Request, services: ApiServices, text: str) -> Token:
    """Return a valid token, and send it back in the envelope. Raises `Unauthorized`, `RateLimited`."""
    if not text:
        raise Unauthorized("missing token: send X-Auth-Token or Authorization: Bearer")
    token = await services.auth.tokens.find(text)
    if token is None:
        await services.auth.count_guess(text, client_address(request))
        raise Unauthorized("invalid or expired token")
    services.auth.tokens.use.note(token)
    request.scope["state"].update(auth_token=text, token_id=token.id)
    return token


CurrentPrincipal = Annotated[Principal, Depends(require_principal)]


async def require_box(request: Request) -> Mailbox:
    """Return the box of the path. Raises `NotFound`, `Forbidden`, and what `require_principal` raises."""
    state = request.scope["state"]
    mailbox: Mailbox | None = state.get("mailbox")
    if mailbox is None:
        mailbox = await (await require_principal(request)).get_box(request.path_params["box_id"])
        state["mailbox"] = mailbox
    return mailbox


BoxDep = Annotated[Mailbox, Depends(require_box)]


def extract_token(request: Request) -> str:
    """Return the token of a request; X-Auth-Token takes precedence over Authorization. Empty: there is none.

    As in Kazoo, Authorization may be the token alone, without a scheme.
    """
    if token := request.headers.get("x-auth-token", ""):
        return token
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if not credentials:
        return scheme if scheme.lower() not in AUTHORIZATION_SCHEMES else ""
    return credentials.strip(" ") if scheme.lower() == "bearer" else ""


def client_address(request: Request) -> str:
    """Return the address of the client."""
    return request.client.host if request.client else "?"
