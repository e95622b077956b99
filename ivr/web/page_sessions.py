"""Sessions of the page: the cookie, the mailboxes that a session reaches, and where a form came from."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from ivr.directory.models import Account
from ivr.errors import Forbidden, NotFound, Unauthorized
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.boxes import settings_from_record
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Actor, AuditAction, BoxQuery, BoxSummary, Door, Token
from ivr.web.page_dependencies import PageServices

COOKIE = "ivr_session"
SECURE_COOKIE = "__Host-ivr_session"
"""Browsers accept this name over TLS only, and from this host only."""
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
ATTEMPT_HEADER = "x-attempt"
MAX_ATTEMPT_LENGTH = 100
MAX_ATTEMPTS = 1000
"""Attempts that are remembered for each kind of action, of all sessions together."""
BOX_SCAN_SIZE = 500


@dataclass(frozen=True, kw_only=True)
class Visitor(ABC):
    """Who reads and changes messages on the page."""

    services: PageServices
    account_id: str
    language: str
    """The language of the person, as `en-GB`."""

    @abstractmethod
    def actor(self, request: Request) -> Actor:
        """Return the visitor as the audit log names it."""

    def retention_cutoff(self, mailbox: Mailbox) -> int:
        """Unix time in seconds; older messages are past retention."""
        return mailbox.voicemail_settings.retention_cutoff(self.services.api.clock.now())

    async def record(self, request: Request, action: AuditAction, box_id: str | None = None, *subjects: str) -> None:
        """Record an action in the audit log, once for each subject."""
        await self.services.api.audit_log.record(
            self.actor(request), action, account_id=self.account_id, box_id=box_id, subjects=subjects or ("",)
        )


@dataclass(frozen=True, kw_only=True)
class PageSession(Visitor):
    """A browser in which an owner is signed in."""

    token: Token
    account: Account
    text: str
    """The cookie."""
    administers: str = ""
    """What the user may administer: "account", "system", or "" for nothing."""

    @property
    def csrf_token(self) -> str:
        """What each form of this session carries, and no other site can know."""
        return hashlib.sha256(b"form\0" + self.text.encode(errors="replace")).hexdigest()[:32]

    @property
    def owner_id(self) -> str:
        """Id of who is signed in: the user, or the mailbox that a PIN has opened; the same in the next session."""
        return self.token.user_id or self.token.box_id or self.token.id

    @property
    def is_by_pin(self) -> bool:
        """Whether a PIN has opened the session, for one mailbox."""
        return self.token.box_id is not None

    async def get_box(self, box_id: str) -> Mailbox:
        """Return a mailbox that the session reaches. Raises `NotFound`, also if it is disabled or another's."""
        mailbox = await self.services.api.mailbox.boxes.get(box_id)
        is_own = mailbox.account_id == self.account.id and self._is_own(mailbox.id, mailbox.settings)
        if not is_own or not mailbox.settings.enabled:  # A disabled one opens neither here nor at the phone.
            raise NotFound("there is no such mailbox")
        return mailbox

    async def list_boxes(self) -> list[BoxSummary]:
        """Return the mailboxes that the session reaches, by number, with their counts."""
        return (await self.list_own_boxes())[0]

    async def list_own_boxes(self) -> tuple[list[BoxSummary], list[BoxSummary]]:
        """Return the mailboxes that the session reaches, and those that it would reach if they were enabled."""
        boxes: list[BoxSummary] = []
        after = None
        while True:
            query = BoxQuery(BOX_SCAN_SIZE, self._matches, after)
            page = await self.services.api.mailbox.lists.list_boxes(self.account.id, query)
            boxes += page.items
            if (after := page.next_key) is None:
                break
        enabled = [box for box in boxes if settings_from_record(box.record).enabled]
        return enabled, [box for box in boxes if box not in enabled]

    def _matches(self, box: BoxSummary) -> bool:
        return self._is_own(box.record.id, settings_from_record(box.record))

    def _is_own(self, box_id: str, settings: BoxSettings) -> bool:
        if self.token.box_id is not None:
            return box_id == self.token.box_id
        return settings.has_owner_rights(self.token.user_id)

    def actor(self, request: Request) -> Actor:
        device = f"{client_address(request)} session {self.token.id}"
        return Actor(Door.PAGE, self.token.user_id or "", device, "PIN" if self.is_by_pin else "password")


class Attempts:
    """Actions that are done once, also where a browser sends them again under one name, as an answer was lost.

    `is_done`: whether what an action has returned means that it was done; by default "" does.
    """

    def __init__(self, *, is_done: Callable[[str], bool] = lambda outcome: not outcome) -> None:
        self._tasks: dict[tuple[str, ...], asyncio.Task[str]] = {}
        self._is_done = is_done

    async def once(
        self,
        request: Request,
        session: PageSession,
        subjects: tuple[str, ...],
        act: Callable[[], Coroutine[Any, Any, str]],
        *,
        name: str = "",
        still_holds: Callable[[str], Awaitable[bool]] | None = None,
    ) -> str:
        """Return what `act` returns, or has returned under the same name. What was not done may be tried again.

        `subjects`: what the action is about; another action under the same name is another attempt. `name`: where no
        header has it. `still_holds`: whether what was returned before is still true; if not, it is done again.
        """
        if not (name := request.headers.get(ATTEMPT_HEADER, "") or name):
            return await act()
        key = (session.owner_id, name[:MAX_ATTEMPT_LENGTH], *subjects)
        if still_holds and (earlier := self._tasks.get(key)) and not await still_holds(await asyncio.shield(earlier)):
            self._tasks.pop(key, None)
        if key not in self._tasks:
            while len(self._tasks) >= MAX_ATTEMPTS:
                self._tasks.pop(next(iter(self._tasks)))
            self._tasks[key] = asyncio.create_task(act())
            self._tasks[key].add_done_callback(lambda task: self._forget_failed(key, task))
        return await asyncio.shield(self._tasks[key])

    def _forget_failed(self, key: tuple[str, ...], task: asyncio.Task[str]) -> None:
        is_done = not task.cancelled() and task.exception() is None and self._is_done(task.result())
        if not is_done and self._tasks.get(key) is task:
            del self._tasks[key]


def get_page_services(request: Request) -> PageServices:
    """Return the services that the page was built with."""
    services: PageServices = request.app.state.services
    return services


async def find_session(request: Request) -> PageSession | None:
    """Return the session of a request, once; None: there is none, or it has ended."""
    if not hasattr(request.state, "session"):
        request.state.session = await read_session(request)
    session: PageSession | None = request.state.session
    return session


async def require_session(request: Request) -> PageSession:
    """Return the session of a request. Raises `Unauthorized`."""
    session = await find_session(request)
    if session is None:
        raise Unauthorized("the session has ended")
    return session


async def read_session(request: Request) -> PageSession | None:
    """Return the session of a request as it is now; None: there is none, or it has ended."""
    text = request.cookies.get(SECURE_COOKIE if is_secure(request) else COOKIE, "")
    if not text:
        return None
    services = get_page_services(request)
    token = await services.api.auth.tokens.find_page_session(text)
    if token is None:
        return None
    if token.box_id is not None:
        try:
            mailbox = await services.api.mailbox.boxes.get(token.box_id)
        except NotFound:
            return None
        if not mailbox.settings.enabled:
            return None  # Its PIN opens it no longer.
        if not token.proof or await services.pins.fingerprint(mailbox) != token.proof:
            return None  # The PIN or the owner is another one since.
    request.state.token_id = token.id
    user = await services.api.auth.directory.find_user(token.user_id) if token.user_id is not None else None
    account = await services.api.auth.directory.account(token.account_id)
    return PageSession(
        services=services,
        account_id=account.id,
        language=await find_language(services, token, account),
        token=token,
        account=account,
        text=text,
        administers=str(user.settings.get("administrator") or "") if user else "",
    )


async def find_language(services: PageServices, token: Token, account: Account) -> str:
    """Return the language of the person of a session: of the user, or of what a PIN has opened; else of the account."""
    if token.box_id is not None:
        return (await services.api.mailbox.boxes.get(token.box_id)).language
    user = await services.api.auth.directory.find_user(token.user_id) if token.user_id is not None else None
    return (user and user.language) or account.language


def client_address(request: Request) -> str:
    """Return the address of the browser."""
    return request.client.host if request.client else "?"


def is_secure(request: Request) -> bool:
    """Return whether the browser speaks TLS, to the service or to a proxy in front of it."""
    public_url = urlsplit(get_page_services(request).limits.public_url)
    is_public = _host(public_url.netloc) == _host(request.headers.get("host", ""))
    return request.url.scheme == "https" or (public_url.scheme == "https" and is_public)


def _host(netloc: str) -> str:
    """Return host and port in the one form that browsers use: in small letters, without the port of the scheme."""
    return netloc.lower().removesuffix(":443").removesuffix(":80")


def set_session_cookie(request: Request, response: Response, text: str) -> None:
    """Give the browser its session. No script can read the cookie, and no other site sends it with a form."""
    secure = is_secure(request)
    lifetime_s = get_page_services(request).limits.session_lifetime_s
    response.set_cookie(
        SECURE_COOKIE if secure else COOKIE, text, lifetime_s, secure=secure, httponly=True, samesite="lax"
    )


def remove_session_cookie(request: Request, response: Response) -> None:
    """Take the session away from the browser."""
    secure = is_secure(request)
    name = SECURE_COOKIE if secure else COOKIE
    response.delete_cookie(name, secure=secure, httponly=True, samesite="lax")


def require_same_origin(request: Request) -> None:
    """Raise `Forbidden` for a form that a browser sends from another site."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise Forbidden("the form comes from another site")
    origin = request.headers.get("origin")
    if origin is None:
        return  # No browser: every browser sends it with a POST.
    public_url = get_page_services(request).limits.public_url
    own = {_host(request.headers.get("host", "")), _host(urlsplit(public_url).netloc)} - {""}
    if _host(urlsplit(origin).netloc) not in own:
        raise Forbidden(f"the form comes from {origin}: if that is this page, set api.public_url to it")


def require_form_token(request: Request, session: PageSession, form: Mapping[str, object]) -> None:
    """Raise `Forbidden` unless a form or a request of our script carries the token of its session."""
    require_same_origin(request)
    sent = str(form.get(CSRF_FIELD) or request.headers.get(CSRF_HEADER, ""))
    if not hmac.compare_digest(sent.encode(errors="replace"), session.csrf_token.encode()):
        raise Forbidden("the form does not belong to this session")
