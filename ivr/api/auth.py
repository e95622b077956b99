"""Who asks, and which account and boxes they reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from ivr.api.dependencies import ApiServices
from ivr.directory.models import Account
from ivr.errors import Forbidden, NotFound, Unauthorized
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.listing import BoxQuery
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.storage.records import Token, TokenKind

ADMIN_ONLY_FIELDS = ("owner_id", "mailbox", "aliases", "pin_secret_ref", "quota_mb", "not_configurable")
"""What the owner of a box cannot change in it."""
BOX_PAGE_SIZE = 500


def get_services(request: Request) -> ApiServices:
    """What the application was built with."""
    rooms: ApiServices = request.app.state.rooms
    return rooms


ServicesDep = Annotated[ApiServices, Depends(get_services)]


@dataclass(frozen=True)
class Principal:
    """A token that holds, and the account that it reaches."""

    services: ApiServices
    token: Token
    account: Account

    @property
    def user_id(self) -> str | None:
        """The user whose boxes only are reached; None: all of the account."""
        everywhere = self.token.kind is TokenKind.LOGIN and not self.services.limits.owner_only
        return None if everywhere else self.token.user_id

    @property
    def voicemail_settings(self) -> VoicemailSettings:
        """The system's settings as the account changes them."""
        return self.services.boxes.voicemail_settings_for(self.account)

    @property
    def retention_cutoff(self) -> int:
        """Unix seconds; older messages have passed retention."""
        return self.voicemail_settings.retention_cutoff(self.services.clock.now())

    def can_access(self, settings: BoxSettings) -> bool:
        """Whether a box may be seen and worked on."""
        return self.user_id is None or settings.has_owner_rights(self.user_id)

    def require_account_scope(self) -> None:
        """Raises `Forbidden` unless the token is for the whole account."""
        if self.user_id is not None:
            raise Forbidden("this needs a token for the whole account")

    def check_editable(self, mailbox: Mailbox, changes: Mapping[str, Any]) -> None:
        """Raises `Forbidden` where the owner of a box changes what only an administrator may."""
        if self.user_id is None:
            return
        kept = mailbox.settings.model_dump(mode="json")
        empty: tuple[Any, ...] = (None, [], False)
        if mailbox.settings.not_configurable:
            raise Forbidden("this box can only be changed with a token for the whole account")
        for key in ADMIN_ONLY_FIELDS:
            if key in changes and changes[key] != kept[key] and not (changes[key] in empty and kept[key] in empty):
                raise Forbidden(f"{key} can only be changed with a token for the whole account")

    async def get_box(self, box_id: str) -> Mailbox:
        """A box of this account. Raises `NotFound` with the id, `Forbidden`."""
        try:
            found = await self.services.boxes.get(box_id)
        except NotFound as error:
            raise NotFound(str(error), box_id) from error
        if found.account_id != self.account.id:
            raise NotFound("there is no such box", box_id)
        if not self.can_access(found.settings):
            raise Forbidden("this box belongs to somebody else")
        return found

    async def resolve_recipient(self, box_id: str) -> Mailbox:
        """A box of this account that messages may be sent to, whosever it is, as at the phone. Raises `NotFound`."""
        try:
            found = await self.services.boxes.get(box_id)
        except NotFound as error:
            raise NotFound(str(error), box_id) from error
        if found.account_id != self.account.id:
            raise NotFound("there is no such box", box_id)
        return found

    async def accessible_box_ids(self) -> list[str]:
        """Those of the user's boxes."""
        found: list[str] = []
        after = None
        while True:
            wanted = BoxQuery(BOX_PAGE_SIZE, lambda box: self.can_access(box.settings), after)
            page = await self.services.lists.list_boxes(self.account.id, wanted)
            found += [box.record.id for box in page.items]
            if (after := page.next_key) is None:
                return found


async def require_principal(request: Request, services: ServicesDep, account_id: str) -> Principal:
    """Raises `Unauthorized`, `RateLimited`; `Forbidden` for any other account, be it there or not."""
    text = extract_token(request)
    if not text:
        raise Unauthorized("give a token: X-Auth-Token, or Authorization: Bearer")
    token = await services.tokens.find(text)
    if token is None:
        await services.rate_limiter.register_attempt(client_address(request))
        raise Unauthorized("this token does not hold")
    request.state.auth_token = text
    if token.account_id != account_id:
        raise Forbidden("this token is not for that account")
    return Principal(services, token, await services.directory.account(account_id))


CurrentPrincipal = Annotated[Principal, Depends(require_principal)]


async def require_box(principal: CurrentPrincipal, box_id: str) -> Mailbox:
    """The box of the path."""
    return await principal.get_box(box_id)


BoxDep = Annotated[Mailbox, Depends(require_box)]


def extract_token(request: Request) -> str:
    """What a request shows; X-Auth-Token wins."""
    bearer = request.headers.get("authorization", "")
    scheme, _, text = bearer.partition(" ")
    return request.headers.get("x-auth-token", "") or (text.strip() if scheme.lower() == "bearer" else "")


def client_address(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else "?"
