"""The application of the page, and its place beside the REST API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ivr.api.audio_links import message_page_path
from ivr.api.error_responses import response_for
from ivr.errors import IvrError, Unauthorized
from ivr.web.admin_pages import AdminForms, AdminPages
from ivr.web.admin_records import AdminRecords
from ivr.web.page_dependencies import PageServices
from ivr.web.page_forward import ForwardForm
from ivr.web.page_links import LinkPages
from ivr.web.page_lists import ListPages
from ivr.web.page_live import LiveStreams
from ivr.web.page_messages import MessagePages
from ivr.web.page_rendering import PageRenderer
from ivr.web.page_sessions import find_session, remove_session_cookie
from ivr.web.page_settings import SettingsPages
from ivr.web.page_sign_in import SignInPages

PREFIX = "/page/"
EXPLAINED_STATUSES = (400, 403, 404, 413, 429, 503)
SEE_OTHER = 303
ADDRESS_ONLY = b"x-address-only"
"""Header of a script that asks for the address in place of a redirect."""

log = structlog.get_logger()


def build_page_app(services: PageServices, renderer: PageRenderer) -> ASGIApp:
    """Build the page. Its paths are `/` and those that begin with `PREFIX`."""
    sign_in, lists, messages = SignInPages(renderer), ListPages(renderer), MessagePages(renderer)
    forward, links, settings = ForwardForm(messages), LinkPages(renderer), SettingsPages(renderer)
    live = LiveStreams(services.live_updates)
    box, message = f"{PREFIX}box/{{box_id}}", f"{PREFIX}box/{{box_id}}/message/{{message_id}}"
    admin_forms = AdminForms()
    admin_pages, admin_records = AdminPages(renderer, admin_forms), AdminRecords(renderer, admin_forms)
    admin, of_account = f"{PREFIX}admin", f"{PREFIX}admin/{{account_id}}"
    link = message_page_path("{box_id}", "{message_id}")
    get, post = ["GET"], ["POST"]

    async def send_static(request: Request) -> Response:
        return renderer.static_file(request)

    app = Starlette(
        routes=[
            Route("/", sign_in.start, methods=get),
            Route(f"{PREFIX}sign-in", sign_in.sign_in, methods=post),
            Route(f"{PREFIX}sign-out", sign_in.sign_out, methods=post),
            Route(f"{PREFIX}static/{{name}}", send_static, methods=get),
            Route(f"{PREFIX}live", live.follow_boxes, methods=get),
            Route(f"{box}/live", live.follow_box, methods=get),
            Route(box, lists.show_folder, methods=get),
            Route(f"{box}/search", lists.search, methods=get),
            Route(f"{box}/messages", lists.change_messages, methods=post),
            Route(message, messages.show_message, methods=get),
            Route(f"{message}/audio", messages.send_audio, methods=get),
            Route(f"{message}/download", messages.download_audio, methods=get),
            Route(f"{message}/waveform", messages.send_waveform, methods=get),
            Route(f"{message}/heard", messages.mark_heard, methods=post),
            Route(f"{message}/call-back", messages.call_back, methods=post),
            Route(f"{message}/forward", forward.forward, methods=post),
            Route(f"{box}/settings", settings.show, methods=get),
            Route(f"{box}/settings", settings.change, methods=post),
            Route(f"{box}/settings/pin", settings.set_pin, methods=post),
            Route(f"{box}/greeting/{{kind}}", settings.send_greeting, methods=get),
            Route(f"{box}/greeting/{{kind}}", settings.put_greeting, methods=post),
            Route(f"{box}/greeting/{{kind}}/earlier", settings.use_earlier_greeting, methods=post),
            Route(f"{box}/greeting/{{kind}}/remove", settings.remove_greeting, methods=post),
            Route(admin, admin_pages.list_boxes, methods=get),
            Route(f"{admin}/findings", admin_records.show_findings, methods=get),
            Route(of_account, admin_pages.list_boxes, methods=get),
            Route(f"{of_account}/boxes", admin_pages.create_box, methods=post),
            Route(f"{of_account}/box/{{box_id}}", admin_pages.show_box, methods=get),
            Route(f"{of_account}/box/{{box_id}}/pin", admin_pages.reset_pin, methods=post),
            Route(f"{of_account}/box/{{box_id}}/unlock", admin_pages.unlock, methods=post),
            Route(f"{of_account}/users", admin_pages.list_users, methods=get),
            Route(f"{of_account}/users", admin_pages.create_user, methods=post),
            Route(f"{of_account}/calls", admin_records.list_calls, methods=get),
            Route(f"{of_account}/call/{{call_id:path}}", admin_records.show_call, methods=get),
            Route(f"{of_account}/outbox", admin_records.list_tasks, methods=get),
            Route(f"{of_account}/outbox", admin_records.retry_tasks, methods=post),
            Route(link, links.show_message, methods=get),
            Route(link, links.change_message, methods=post),
            Route(f"{link}/audio", links.send_audio, methods=get),
            Route(f"{link}/download", links.download_audio, methods=get),
            Route(f"{link}/waveform", links.send_waveform, methods=get),
            Route(f"{link}/heard", links.mark_heard, methods=post),
        ],
        middleware=[Middleware(AddressOnly)],
        exception_handlers={
            IvrError: _show_error(renderer),
            HTTPException: _show_error(renderer),
        },
    )
    app.router.redirect_slashes = False
    app.state.services = services
    return app


class AddressOnly:
    """Answers a script that sends a form with the address of the page that follows; only the browser fetches that."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_address(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == SEE_OTHER:
                message["status"] = 200
            await send(message)

        is_asked_for = scope["type"] == "http" and (ADDRESS_ONLY, b"1") in scope["headers"]
        await self._app(scope, receive, send_address if is_asked_for else send)


class PathDispatch:
    """Passes the paths that begin with `prefix`, and `path`, to an application, and all others to the REST API."""

    def __init__(self, app: ASGIApp, prefix: str, path: str, api: ASGIApp) -> None:
        self._app = app
        self._prefix = prefix
        self._path = path
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_own = scope["type"] == "http" and (scope["path"] == self._path or scope["path"].startswith(self._prefix))
        await (self._app if is_own else self._api)(scope, receive, send)


def _show_error(renderer: PageRenderer) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return the handler that shows an error as a page; without a session, people sign in again."""

    async def show(request: Request, error: Exception) -> Response:
        if isinstance(error, Unauthorized):
            response: Response = RedirectResponse("/?notice=session_ended", SEE_OTHER)
            remove_session_cookie(request, response)
            return response
        status = error.status_code if isinstance(error, HTTPException) else 500
        if isinstance(error, IvrError):
            status = response_for(error).status
            log.info("page.refused", status=status, error=str(error))
        if status == 405:
            status = 404
        key = f"error_{status}" if status in EXPLAINED_STATUSES else "error_500" if status >= 500 else "error_400"
        try:
            await find_session(request)
        except IvrError:
            request.state.session = None
        return await renderer.render(request, "error.html", status=status, key=key)

    return show
