"""The application: all verbs, and what is said where there is none."""

from __future__ import annotations

import re

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from ivr import __version__
from ivr.api import audio, boxes, docs_page, greetings, login, messages, openapi
from ivr.api.dependencies import ApiServices
from ivr.api.envelope import failure
from ivr.api.error_responses import response_for
from ivr.api.head_requests import HeadMiddleware, is_head
from ivr.api.ip_allowlist import IpAllowlistMiddleware
from ivr.api.request_logging import RequestLogMiddleware
from ivr.errors import IvrError, RangeNotSatisfiable

API_DESCRIPTION = "One mailbox, three doors: what is saved by phone is saved here at once, and the other way round."


def build_asgi_app(services: ApiServices) -> ASGIApp:
    """The REST door to these rooms, as ASGI."""
    app = FastAPI(title="ivr", version=__version__, description=API_DESCRIPTION, docs_url=None, redoc_url=None)
    app.state.rooms = services
    app.router.redirect_slashes = False
    # The order matters where two paths fit: "messages" is no id of a box, "raw" none of a message.
    for router in (login.router, audio.router, messages.router, greetings.router, boxes.router):
        app.include_router(router)
    app.add_exception_handler(IvrError, _on_ivr_error)
    app.add_exception_handler(Exception, _on_unexpected_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_request_validation_error)
    document = openapi.patch_document(app.openapi())
    app.openapi = lambda: document  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(docs_page.render_html(document))

    return RequestLogMiddleware(
        IpAllowlistMiddleware(HeadMiddleware(app), services.limits.allowed_networks), services.ids, services.clock
    )


async def _on_ivr_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, IvrError)
    line = response_for(error)
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "3600"}}.get(line.status, {})
    if isinstance(error, RangeNotSatisfiable):
        headers = {"Content-Range": f"bytes */{error.size}"}
    return failure(request, line.status, line.message, line.build_data(error), headers)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        method = "HEAD" if is_head(request) else request.method
        said = {"message": f"{method} is not for this path"}
        return failure(request, 405, "invalid_method", said, {"Allow": ", ".join(_allowed_methods(request))})
    return failure(request, error.status_code, "not_found", {"message": "there is no such path: see /docs"})


async def _on_unexpected_error(request: Request, error: Exception) -> Response:
    """Nothing that was meant; `Door` logs it."""
    data = {"message": "something went wrong here; the log has more under the request_id"}
    return failure(request, 500, "unspecified_fault", data)


async def _on_request_validation_error(request: Request, error: Exception) -> Response:
    return failure(request, 400, "invalid_request", {"message": "the path or query cannot be read"})


def _allowed_methods(request: Request) -> list[str]:
    """Those that the path has; of two that fit, it is the one with fewer blanks."""
    paths = request.app.openapi()["paths"]
    fitting = [path for path in paths if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.url.path)]
    verbs = {verb.upper() for verb in paths.get(min(fitting, key=lambda path: path.count("{"), default=""), ())}
    return sorted(verbs | ({"HEAD"} if "GET" in verbs else set()))
