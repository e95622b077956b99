"""Authentication by token, and access to the account and its boxes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ivr.api import openapi
from ivr.api.dependencies import ApiServices, AuthServices
from ivr.api.envelope import success
from ivr.api.request_body import Body, BodyDep
from ivr.directory.models import Account
from ivr.errors import Forbidden, InvalidFields, NotFound, Unauthorized
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.boxes import settings_from_record
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.storage.records import BoxQuery, Token, TokenKind

ADMIN_ONLY_FIELDS = ("owner_id", "mailbox", "aliases", "pin_secret_ref", "quota_mb", "not_configurable")
"""Fields of a box that its owner may not change."""
BOX_PAGE_SIZE = 500
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

    @property
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

    def check_editable(self, mailbox: Mailbox, changes: Mapping[str, Any]) -> None:
        """Raise `Forbidden` if an owner changes what is reserved to administrators: some fields, or the whole box."""
        if self.user_id is None:
            return
        if mailbox.settings.not_configurable:
            raise Forbidden(NOT_CONFIGURABLE)
        current = mailbox.settings.model_dump(mode="json")
        empty: tuple[Any, ...] = (None, [], False)
        for key in ADMIN_ONLY_FIELDS:
            if key not in changes or changes[key] == current[key]:
                continue
            if not (changes[key] in empty and current[key] in empty):
                raise Forbidden(f"changing {key} needs a token for the whole account")

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
    principal: Principal | None = getattr(request.state, "principal", None)
    if principal is None:
        account_id = request.path_params["account_id"]
        principal = await authenticate(request, get_services(request), account_id, extract_token(request))
        request.state.principal = principal
    return principal


async def authenticate(request: Request, services: ApiServices, account_id: str, text: str) -> Principal:
    """Return the principal of a token. Raises `Unauthorized`, `RateLimited`, `Forbidden`."""
    if not text:
        raise Unauthorized("missing token: send X-Auth-Token or Authorization: Bearer")
    token = await services.auth.tokens.find(text)
    if token is None:
        await services.auth.rate_limiter.register_attempt(client_address(request))
        raise Unauthorized("invalid or expired token")
    request.state.auth_token = text
    if token.account_id != account_id:
        raise Forbidden("token belongs to another account")
    return Principal(services, token, await services.auth.directory.account(account_id))


CurrentPrincipal = Annotated[Principal, Depends(require_principal)]


async def require_box(request: Request) -> Mailbox:
    """Return the box of the path. Raises `NotFound`, `Forbidden`, and what `require_principal` raises."""
    mailbox: Mailbox | None = getattr(request.state, "mailbox", None)
    if mailbox is None:
        mailbox = await (await require_principal(request)).get_box(request.path_params["box_id"])
        request.state.mailbox = mailbox
    return mailbox


BoxDep = Annotated[Mailbox, Depends(require_box)]


def extract_token(request: Request) -> str:
    """Return the token of a request; X-Auth-Token takes precedence over Authorization. Empty: there is none."""
    authorization = request.headers.get("authorization", "")
    scheme, _, credentials = authorization.partition(" ")
    return request.headers.get("x-auth-token", "") or (credentials.strip() if scheme.lower() == "bearer" else "")


def client_address(request: Request) -> str:
    """Return the address of the client."""
    return request.client.host if request.client else "?"


router = APIRouter(prefix="/v2", tags=["Signing in"])


@router.put("/user_auth", status_code=201, **openapi.USER_AUTH)
async def user_auth(request: Request, body: BodyDep) -> Response:
    """Sign in with `credentials`, the MD5 of `username:password` in hex, and `account_name` or `account_realm`."""
    services = get_services(request)
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
async def api_auth(request: Request, body: BodyDep) -> Response:
    """Exchange `api_key`, a token made by `ivr token create`, for a session token that expires by itself."""
    services = get_services(request)
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
