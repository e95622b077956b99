"""The ASGI application: routes, error handlers, middleware and the OpenAPI document."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from ivr import __version__
from ivr.api import audio, boxes, call_recordings, docs_page, greetings, messages, openapi, sessions
from ivr.api.dependencies import ApiServices
from ivr.api.envelope import failure, to_json
from ivr.api.error_responses import response_for
from ivr.api.middleware import (
    HeadMiddleware,
    IpAllowlistMiddleware,
    MethodOverrideMiddleware,
    RequestLogMiddleware,
    is_head,
)
from ivr.api.route_tree import RouteTree, RouteTreeMiddleware, direct_routes
from ivr.errors import IvrError, RangeNotSatisfiable
from ivr.metrics.page_server import PageResponse

CORS_RESPONSE_HEADERS = (
    *("Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "Location"),
    *("Retry-After", "X-Request-Id"),
)
CORS_MAX_AGE_S = 600
"""Seconds for which a browser may remember the answer to a preflight."""
API_DESCRIPTION = "Voicemail boxes, messages and greetings. Changes are visible to phones at once, and vice versa."


def build_asgi_app(services: ApiServices, add_page: Callable[[ASGIApp], ASGIApp] | None = None) -> ASGIApp:
    """Build the REST application. `add_page`: puts the page for owners beside it; its requests are logged too."""
    app = FastAPI(title="ivr", version=__version__, description=API_DESCRIPTION, openapi_url=None)
    app.state.services = services
    app.state.node = _node_id(socket.gethostname())
    app.router.redirect_slashes = False
    # The first matching path wins: "messages" must not be read as a box id, nor "raw" as a message id.
    routers = (sessions.router, audio.router, messages.router, greetings.router, boxes.router, call_recordings.router)
    for router in routers:
        app.include_router(router)
    tree = RouteTree(route for router in routers for route in direct_routes(router.routes))
    app.add_exception_handler(IvrError, _on_ivr_error)
    app.add_exception_handler(Exception, _on_unexpected_error)
    app.add_exception_handler(HTTPException, partial(_on_http_exception, tree))
    app.add_exception_handler(RequestValidationError, _on_request_validation_error)
    documentation = _Documentation(app)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse((await documentation.get()).html)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi_document() -> Response:
        return Response((await documentation.get()).json, media_type="application/json")

    for path, page in services.public_pages.items():
        app.add_api_route(path, partial(_serve_page, page), methods=["GET"], include_in_schema=False)

    routed = RouteTreeMiddleware(app, tree, (IvrError, _on_ivr_error), _on_unexpected_error)
    inner: ASGIApp = MethodOverrideMiddleware(HeadMiddleware(routed))
    if services.limits.origins:
        inner = CORSMiddleware(
            inner,
            allow_origins=services.limits.origins,
            allow_methods=("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"),
            allow_headers=["*"],  # Clients add their own; a header reaches nothing that a listed origin may not.
            expose_headers=CORS_RESPONSE_HEADERS,
            max_age=CORS_MAX_AGE_S,
        )
    if add_page:
        inner = add_page(inner)
    allowlisted = IpAllowlistMiddleware(inner, services.limits.allowed_networks)
    return RequestLogMiddleware(allowlisted, app, services.ids, services.clock)


class _RenderedDocumentation(NamedTuple):
    html: bytes
    json: bytes


class _Documentation:
    """Rendered once, when it is first asked for, so that no start waits for it; in a thread, so that no call does.

    It takes a tenth of a second, and is open to everybody.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._lock = asyncio.Lock()
        self._rendered: _RenderedDocumentation | None = None

    async def get(self) -> _RenderedDocumentation:
        async with self._lock:
            if self._rendered is None:
                self._rendered = await asyncio.to_thread(self._render)
            return self._rendered

    def _render(self) -> _RenderedDocumentation:
        document = openapi.patch_document(self._app.openapi())
        return _RenderedDocumentation(docs_page.render_html(document).encode(), to_json(document))


def _node_id(host_name: str) -> str:
    """Return an id of this machine that does not tell its name."""
    return base64.urlsafe_b64encode(hashlib.sha256(host_name.encode()).digest()[:16]).decode().rstrip("=")


async def _serve_page(render: Callable[[], Awaitable[PageResponse]]) -> Response:
    page = await render()
    headers = {"Cache-Control": "no-store"}
    return Response(page.body, status_code=int(page.status), media_type=page.content_type, headers=headers)


HEADERS_BY_STATUS: Mapping[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": "3600"},
    503: {"Retry-After": "10"},
}


async def _on_ivr_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, IvrError)
    response = response_for(error)
    headers = HEADERS_BY_STATUS.get(response.status, {})
    if isinstance(error, RangeNotSatisfiable):
        headers = {"Content-Range": f"bytes */{error.size}"}
    return failure(request, response.status, response.message, response.build_data(error), headers)


async def _on_http_exception(tree: RouteTree, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        method = "HEAD" if is_head(request) else request.method
        methods = tree.methods(request.url.path) or {"GET"}  # what is not in the tree are pages
        allowed = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
        data = {"message": f"{method} is not allowed for this path: use {allowed}"}
        return failure(request, 405, "invalid_method", data, {"Allow": allowed})
    return failure(request, error.status_code, "not_found", {"message": "unknown path: see /docs"})


async def _on_unexpected_error(request: Request, error: Exception) -> Response:
    """Respond 500. `RequestLogMiddleware` logs the traceback."""
    data = {"message": "internal error: look for the request_id in the log of the service"}
    return failure(request, 500, "unspecified_fault", data)


async def _on_request_validation_error(request: Request, error: Exception) -> Response:
    return failure(request, 400, "invalid_request", {"message": "the path or query is malformed"})
