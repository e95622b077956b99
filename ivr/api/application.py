"""The application: all verbs, and what is said where there is none."""

from __future__ import annotations

import re

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from ivr import __version__
from ivr.api import audio, boxes, greetings, messages, openapi, page, signing_in
from ivr.api.allowed import Allowed
from ivr.api.door import Door
from ivr.api.envelope import failure
from ivr.api.head import Head, is_head
from ivr.api.refusals import refusal_of
from ivr.api.rooms import Rooms
from ivr.errors import IvrError, NoSuchRange

ABOUT = "One mailbox, three doors: what is saved by phone is saved here at once, and the other way round."


def application(rooms: Rooms) -> ASGIApp:
    """The REST door to these rooms, as ASGI."""
    app = FastAPI(title="ivr", version=__version__, description=ABOUT, docs_url=None, redoc_url=None)
    app.state.rooms = rooms
    app.router.redirect_slashes = False
    # The order matters where two paths fit: "messages" is no id of a box, "raw" none of a message.
    for router in (signing_in.router, audio.router, messages.router, greetings.router, boxes.router):
        app.include_router(router)
    app.add_exception_handler(IvrError, _refused)
    app.add_exception_handler(Exception, _broken)
    app.add_exception_handler(HTTPException, _no_such_verb)
    app.add_exception_handler(RequestValidationError, _misread)
    document = openapi.completed(app.openapi())
    app.openapi = lambda: document  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(page.written(document))

    return Door(Allowed(Head(app), rooms.limits.clients), rooms.ids, rooms.clock)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, IvrError)
    line = refusal_of(error)
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "3600"}}.get(line.status, {})
    if isinstance(error, NoSuchRange):
        headers = {"Content-Range": f"bytes */{error.size}"}
    return failure(request, line.status, line.message, line.data(error), headers)


async def _no_such_verb(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        method = "HEAD" if is_head(request) else request.method
        said = {"message": f"{method} is not for this path"}
        return failure(request, 405, "invalid_method", said, {"Allow": ", ".join(_verbs(request))})
    return failure(request, error.status_code, "not_found", {"message": "there is no such path: see /docs"})


async def _broken(request: Request, error: Exception) -> Response:
    """Nothing that was meant; `Door` logs it."""
    data = {"message": "something went wrong here; the log has more under the request_id"}
    return failure(request, 500, "unspecified_fault", data)


async def _misread(request: Request, error: Exception) -> Response:
    return failure(request, 400, "invalid_request", {"message": "the path or query cannot be read"})


def _verbs(request: Request) -> list[str]:
    """Those that the path has; of two that fit, it is the one with fewer blanks."""
    paths = request.app.openapi()["paths"]
    fitting = [path for path in paths if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.url.path)]
    verbs = {verb.upper() for verb in paths.get(min(fitting, key=lambda path: path.count("{"), default=""), ())}
    return sorted(verbs | ({"HEAD"} if "GET" in verbs else set()))
