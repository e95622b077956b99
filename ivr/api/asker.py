"""Who asks, and which account and boxes they reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from ivr.api.rooms import Rooms
from ivr.directory.people import Account
from ivr.directory.tokens import Token, TokenKind
from ivr.errors import NotAllowed, NotFound, NotSignedIn
from ivr.mailbox.box import Box
from ivr.mailbox.listing import BoxesWanted
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.system import VoicemailSettings

ADMINISTRATORS_KEYS = ("owner_id", "mailbox", "aliases", "pin_secret_ref", "quota_mb", "not_configurable")
"""What the owner of a box cannot change in it."""
BOXES_AT_A_TIME = 500


def rooms_of(request: Request) -> Rooms:
    """What the application was built with."""
    rooms: Rooms = request.app.state.rooms
    return rooms


TheRooms = Annotated[Rooms, Depends(rooms_of)]


@dataclass(frozen=True)
class Asker:
    """A token that holds, and the account that it reaches."""

    rooms: Rooms
    token: Token
    account: Account

    @property
    def user_id(self) -> str | None:
        """The user whose boxes only are reached; None: all of the account."""
        everywhere = self.token.kind is TokenKind.LOGIN and not self.rooms.limits.owner_only
        return None if everywhere else self.token.user_id

    @property
    def system(self) -> VoicemailSettings:
        """The system's settings as the account changes them."""
        return self.rooms.boxes.system_of(self.account)

    @property
    def not_before(self) -> int:
        """Unix seconds; older messages have passed retention."""
        return self.system.not_before(self.rooms.clock.now())

    def reaches(self, settings: Box) -> bool:
        """Whether a box may be seen and worked on."""
        return self.user_id is None or settings.belongs_to(self.user_id)

    def must_administer(self) -> None:
        """Raises `NotAllowed` unless the token is for the whole account."""
        if self.user_id is not None:
            raise NotAllowed("this needs a token for the whole account")

    def may_set(self, before: Mailbox, changes: Mapping[str, Any]) -> None:
        """Raises `NotAllowed` where the owner of a box changes what only an administrator may."""
        if self.user_id is None:
            return
        kept = before.settings.model_dump(mode="json")
        empty: tuple[Any, ...] = (None, [], False)
        if before.settings.not_configurable:
            raise NotAllowed("this box can only be changed with a token for the whole account")
        for key in ADMINISTRATORS_KEYS:
            if key in changes and changes[key] != kept[key] and not (changes[key] in empty and kept[key] in empty):
                raise NotAllowed(f"{key} can only be changed with a token for the whole account")

    async def box(self, box_id: str) -> Mailbox:
        """A box of this account. Raises `NotFound` with the id, `NotAllowed`."""
        try:
            found = await self.rooms.boxes.get(box_id)
        except NotFound as error:
            raise NotFound(str(error), box_id) from error
        if found.account_id != self.account.id:
            raise NotFound("there is no such box", box_id)
        if not self.reaches(found.settings):
            raise NotAllowed("this box belongs to somebody else")
        return found

    async def destination(self, box_id: str) -> Mailbox:
        """A box of this account that messages may be sent to, whosever it is, as at the phone. Raises `NotFound`."""
        try:
            found = await self.rooms.boxes.get(box_id)
        except NotFound as error:
            raise NotFound(str(error), box_id) from error
        if found.account_id != self.account.id:
            raise NotFound("there is no such box", box_id)
        return found

    async def box_ids(self) -> list[str]:
        """Those of the user's boxes."""
        found: list[str] = []
        after = None
        while True:
            wanted = BoxesWanted(BOXES_AT_A_TIME, lambda box: self.reaches(box.settings), after)
            page = await self.rooms.lists.boxes(self.account.id, wanted)
            found += [box.row.id for box in page.found]
            if (after := page.next) is None:
                return found


async def asker(request: Request, rooms: TheRooms, account_id: str) -> Asker:
    """Raises `NotSignedIn`, `TooManyTries`; `NotAllowed` for any other account, be it there or not."""
    text = token_of(request)
    if not text:
        raise NotSignedIn("give a token: X-Auth-Token, or Authorization: Bearer")
    token = await rooms.tokens.find(text)
    if token is None:
        await rooms.tries.charge(address_of(request))
        raise NotSignedIn("this token does not hold")
    request.state.auth_token = text
    if token.account_id != account_id:
        raise NotAllowed("this token is not for that account")
    return Asker(rooms, token, await rooms.directory.account(account_id))


TheAsker = Annotated[Asker, Depends(asker)]


async def the_box(asker: TheAsker, box_id: str) -> Mailbox:
    """The box of the path."""
    return await asker.box(box_id)


TheBox = Annotated[Mailbox, Depends(the_box)]


def token_of(request: Request) -> str:
    """What a request shows; X-Auth-Token wins."""
    bearer = request.headers.get("authorization", "")
    scheme, _, text = bearer.partition(" ")
    return request.headers.get("x-auth-token", "") or (text.strip() if scheme.lower() == "bearer" else "")


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else "?"
