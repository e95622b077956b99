"""The application of desk phones: mailboxes, folders and messages on their screens, and what they dial to hear one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ivr.api.error_responses import response_for
from ivr.errors import Forbidden, IvrError, NotFound, PastRetention, Unauthorized
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message_reference import message_reference
from ivr.storage.records import AuditAction, Folder, Message
from ivr.web.desk_phone_screens import MAX_LABEL, MEDIA_TYPES, DeskPhoneScreen, Entry, ScreenRenderer, shorten
from ivr.web.desk_phone_sign_in import KEY_PARAMETER, DeskPhoneSession, authenticate
from ivr.web.message_views import MessageView, view_message
from ivr.web.page_dependencies import PageServices
from ivr.web.page_lists import count_folders, parse_folder, read_part
from ivr.web.page_rendering import browser_language, parse_count
from ivr.web.page_sessions import get_page_services, is_secure
from ivr.web.texts import Translator

DESK_PHONE_PREFIX = "/phone/"
PAGE_SIZE = 12
"""Messages or mailboxes on one screen: the longest ones fill less than the 10,000 bytes that a Yealink reads."""
CHALLENGE = {"WWW-Authenticate": 'Basic realm="Voicemail", charset="UTF-8"'}
REFUSALS = ("set_up_by_phone", "new_pin_by_phone")

log = structlog.get_logger()


def build_desk_phone_app(services: PageServices, renderer: ScreenRenderer) -> ASGIApp:
    """Build the application. Its paths begin with `DESK_PHONE_PREFIX`; the kind of the phone follows."""
    screens = DeskPhoneScreens(renderer)
    start = f"{DESK_PHONE_PREFIX}{{kind}}"
    box = f"{start}/box/{{box_id}}"
    app = Starlette(
        routes=[
            Route(start, screens.show_start, methods=["GET"]),
            Route(box, screens.show_folder, methods=["GET"]),
            Route(f"{box}/message/{{message_id}}", screens.show_message, methods=["GET"]),
        ],
        exception_handlers={IvrError: screens.show_error, HTTPException: screens.show_error},
    )
    app.router.redirect_slashes = False
    app.state.services = services
    return app


Handler = Callable[[Request], Awaitable[Response]]


class DeskPhoneScreens:
    """The screens of all kinds of phones."""

    def __init__(self, renderer: ScreenRenderer) -> None:
        self._renderer = renderer

    async def show_start(self, request: Request) -> Response:
        """Show the new messages of the only mailbox, or the mailboxes that the phone reaches."""
        session = await _require_session(request)
        boxes = await session.list_boxes()
        if len(boxes) == 1:
            return await self._show_folder(request, session, await session.get_box(boxes[0].record.id), Folder.NEW)
        translate = Translator(session.language)
        skipped = parse_count(request.query_params.get("skip", ""))
        entries = [
            Entry(
                f"{box.record.settings['mailbox']} {box.record.settings.get('name', '')} ({box.counts.new})",
                _url(request, session, f"/box/{box.record.id}"),
            )
            for box in boxes[skipped : skipped + PAGE_SIZE]
        ]
        if len(boxes) > skipped + PAGE_SIZE:
            entries.append(
                Entry(translate("phone_more_boxes"), _url(request, session, "", skip=str(skipped + PAGE_SIZE)))
            )
        text = "" if entries else translate("no_mailboxes")
        return self._respond(request, DeskPhoneScreen(translate("mailboxes"), tuple(entries), text), translate)

    async def show_folder(self, request: Request) -> Response:
        """Show a part of a folder, newest message first, and the other folders behind it."""
        session = await _require_session(request)
        mailbox = await session.get_box(request.path_params["box_id"])
        return await self._show_folder(
            request, session, mailbox, parse_folder(request.query_params.get("folder", "new"))
        )

    async def show_message(self, request: Request) -> Response:
        """Show a message, with the key that dials it. Its folder stays as it is: looking is not hearing."""
        session = await _require_session(request)
        mailbox = await session.get_box(request.path_params["box_id"])
        message_id, translate = request.path_params["message_id"], Translator(session.language)
        try:
            message = await session.services.api.mailbox.messages.get(
                mailbox.id, message_id, session.retention_cutoff(mailbox)
            )
        except PastRetention as error:
            raise NotFound(str(error), message_id) from error
        view = view_message(message, mailbox, translate, session.services.api.clock.now())
        back = _url(request, session, f"/box/{mailbox.id}", folder=message.folder)
        screen = DeskPhoneScreen(
            view.caller, text=_details(view, translate), play=_dial_string(session, mailbox, message), back=back
        )
        return self._respond(request, screen, translate)

    async def show_error(self, request: Request, error: Exception) -> Response:
        """Show why a request failed. Most phones show no screen of an error, so what is gone has the status 200."""
        if isinstance(error, IvrError):
            status = response_for(error).status
        else:
            status = error.status_code if isinstance(error, HTTPException) else 500
        key = f"error_{status}" if status in (404, 429, 503) else "error_500" if status >= 500 else "error_400"
        if isinstance(error, Unauthorized):
            key = "phone_wrong_secret"
        elif isinstance(error, Forbidden):
            key = str(error) if str(error) in REFUSALS else "phone_needs_tls"
        log.info("desk_phone.refused", status=status, error=str(error))
        translate = Translator(getattr(request.state, "language", "") or await browser_language(request))
        response = self._respond(request, DeskPhoneScreen(translate("error"), text=translate(key)), translate)
        response.status_code = 200 if isinstance(error, NotFound) else status
        allowed = error.headers if isinstance(error, HTTPException) else None  # RFC 9110, 15.5.6
        response.headers.update(CHALLENGE if status == 401 else allowed or {})
        return response

    async def _show_folder(
        self, request: Request, session: DeskPhoneSession, mailbox: Mailbox, folder: Folder
    ) -> Response:
        after = request.query_params.get("after", "")
        messages, next_key = await read_part(session, mailbox, folder, after, PAGE_SIZE)
        translate, now = Translator(session.language), session.services.api.clock.now()
        path = f"/box/{mailbox.id}"
        entries = [
            Entry(
                _line(view_message(message, mailbox, translate, now)),
                _url(request, session, f"{path}/message/{message.id}"),
                _dial_string(session, mailbox, message),
            )
            for message in messages
        ]
        if next_key:
            entries.append(
                Entry(translate("more_messages"), _url(request, session, path, folder=folder, after=next_key))
            )
        counts = await count_folders(session, mailbox)
        entries += [
            Entry(f"{translate(other)} ({getattr(counts, other)})", _url(request, session, path, folder=other))
            for other in Folder
            if other is not folder and getattr(counts, other)
        ]
        title = f"{mailbox.number} {translate(folder)} ({getattr(counts, folder)})"
        text = "" if entries else translate("no_messages")
        return self._respond(request, DeskPhoneScreen(title, tuple(entries), text), translate)

    def _respond(self, request: Request, screen: DeskPhoneScreen, translate: Translator) -> Response:
        kind = request.url.path.removeprefix(DESK_PHONE_PREFIX).partition("/")[0]  # Also where no route is.
        if kind not in MEDIA_TYPES:
            return Response("unknown kind of phone: use one of " + ", ".join(MEDIA_TYPES), 404, media_type="text/plain")
        labels = {name: translate(f"phone_{name}") for name in ("play", "details", "back", "exit")}
        content = self._renderer.render(kind, screen, labels)
        headers = {"Cache-Control": "no-store"}
        return Response(content, headers=headers, media_type=f"{MEDIA_TYPES[kind]}; charset=utf-8")


async def _require_session(request: Request) -> DeskPhoneSession:
    if request.path_params["kind"] not in MEDIA_TYPES:
        raise HTTPException(404)
    session = await authenticate(request, get_page_services(request))
    request.state.token_id, request.state.language = session.token.id, session.language
    actor, log = session.actor(request), session.services.api.audit_log
    if log.is_new_visit(session.account_id, actor.device, actor.proof, session.token.id):
        log.record_soon(
            actor, AuditAction.SIGNED_IN, account_id=session.account_id, box_id=session.token.box_id, subject=""
        )
    return session


def _url(request: Request, session: DeskPhoneSession, path: str, **params: str) -> str:
    """Return the address of a screen. Phones take no relative ones."""
    scheme = "https" if is_secure(request) else "http"
    query = urlencode({**params, **({KEY_PARAMETER: session.text} if session.text else {})})
    address = f"{scheme}://{request.url.netloc}{DESK_PHONE_PREFIX}{request.path_params['kind']}{path}"
    return f"{address}?{query}" if query else address


def _dial_string(session: DeskPhoneSession, mailbox: Mailbox, message: Message) -> str:
    """Return what a phone dials to hear a message; "" if it cannot be heard."""
    reference = message_reference(message.id)
    if not message.has_audio or not reference:
        return ""
    return f"{session.services.limits.dial_prefix}{mailbox.number}*{reference}"


def _line(view: MessageView) -> str:
    """Return a message as an entry; of a long name the end is left out, not when it came and how long it is."""
    mark, facts = "! " if view.urgent else "", f" {view.when} {view.length}"
    return f"{mark}{shorten(view.caller, MAX_LABEL - len(mark) - len(facts))}{facts}"


def _details(view: MessageView, translate: Translator) -> str:
    """Return what is known of a message, a line for each."""
    facts: Mapping[str, str] = {
        "from": " ".join(filter(None, (view.caller, view.number))),
        "received": view.when_long,
        "length": view.length,
        "forwarded_by": view.forwarded_by,
        "transcript": " ".join(view.transcript.split()),
    }
    lines = [f"{translate(name)}: {value}" for name, value in facts.items() if value]
    return "\n".join([*([translate("urgent")] if view.urgent else []), *lines])
