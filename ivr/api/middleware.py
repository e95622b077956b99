"""ASGI middleware around the REST application: request log, address allowlist, method override and HEAD requests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import ip_address

import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ivr.api.dependencies import Network
from ivr.api.envelope import failure
from ivr.api.http_protocol import SECURITY_HEADERS, SENDS_FILES
from ivr.clock import Clock
from ivr.ids import IdGenerator

log = structlog.get_logger()


MAX_QUERY_PARAMETERS = 250
"""Of any request, also without a token: thousands take 20 ms to parse, each time that something looks at one."""


class RequestLogMiddleware:
    """Outermost middleware: assigns a request id, logs each request, and keeps tracebacks out of responses.

    `api`: the application within all middleware, whose state each response needs.
    """

    def __init__(self, app: ASGIApp, api: FastAPI, ids: IdGenerator, clock: Clock) -> None:
        self._app = app
        self._api = api
        self._ids = ids
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = scope["path"].rstrip("/") or "/"  # Some clients append a slash.
        request_id = self._ids.new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        scope["app"] = self._api
        started_at, status, finished = self._clock.monotonic(), 0, False

        async def send_with_request_id(message: Message) -> None:
            nonlocal status, finished
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", [])
                present = {name for name, _ in message["headers"]}
                added = [header for header in SECURITY_HEADERS if header[0] not in present]
                message["headers"] = [*message["headers"], *added, (b"x-request-id", request_id.encode())]
            await send(message)
            finished = message["type"] in ("http.response.body", SENDS_FILES) and not message.get("more_body")

        app = self._app
        if scope["query_string"].count(b"&") >= MAX_QUERY_PARAMETERS:
            scope["query_string"], app = b"", _reject_query
        try:
            await app(scope, receive, send_with_request_id)
        except ClientDisconnect:
            log.info("request.client_disconnected", request=request_id)
        except Exception:
            log.exception("request.failed", request=request_id, method=scope["method"], path=scope["path"])
            if not finished:
                raise  # The response is incomplete: closing the connection is the only way to tell the client.
        finally:
            ms = round(1000 * (self._clock.monotonic() - started_at))
            log.info(
                "request",
                request=request_id,
                client=scope["client"][0] if scope.get("client") else None,
                token=scope["state"].get("token_id"),
                method=scope["method"],
                path=scope["path"].encode("unicode_escape").decode("ascii"),
                status=status,
                ms=ms,
            )


async def _reject_query(scope: Scope, receive: Receive, send: Send) -> None:
    message = f"the query has more than {MAX_QUERY_PARAMETERS} parameters"
    await failure(Request(scope), 400, "invalid_request", {"message": message})(scope, receive, send)


class IpAllowlistMiddleware:
    """Responds 403 to clients outside `networks`. An empty `networks` allows every address."""

    def __init__(self, app: ASGIApp, networks: Sequence[Network]) -> None:
        self._app = app
        self._networks = networks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._networks or self._is_allowed(scope):
            await self._app(scope, receive, send)
            return
        response = failure(Request(scope), 403, "forbidden", {"message": "your address is not in api.allowed_networks"})
        await response(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        try:
            address = ip_address(scope["client"][0])
        except (TypeError, ValueError):
            return False
        return any(address in network for network in self._networks)


OVERRIDE_PARAMETERS: tuple[str, ...] = ("verb", "verb[]", "_method", "method", "x-http-method-override")
OVERRIDE_HEADERS = ("x-http-method-override", "x-http-method", "x-method-override")
OVERRIDE_HEADERS_BYTES = frozenset(name.encode() for name in OVERRIDE_HEADERS)
OVERRIDE_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


class MethodOverrideMiddleware:
    """Handles a POST with `?verb=` or X-HTTP-Method-Override as the method that it names.

    Clients that can send GET and POST only do that; Kazoo documents `verb`, others use `_method` and further headers.
    Another method that names a different one is rejected: a link must not delete.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        query: bytes = scope["query_string"]
        has_parameter = query and (b"verb" in query.lower() or b"method" in query.lower())
        if not has_parameter and OVERRIDE_HEADERS_BYTES.isdisjoint(name for name, _ in scope["headers"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        values = [value for name, value in request.query_params.multi_items() if name.lower() in OVERRIDE_PARAMETERS]
        values += [value for name in OVERRIDE_HEADERS for value in request.headers.getlist(name)]
        named = {method.strip().upper() for method in values}
        if problem := _override_problem(scope["method"], named):
            await failure(request, 400, "invalid_request", {"message": problem})(scope, receive, send)
            return
        await self._app({**scope, "method": named.pop()} if named else scope, receive, send)


def _override_problem(method: str, named: Collection[str]) -> str:
    """Return why a request may not be handled as the named methods; empty: it may."""
    if not set(named) - {method}:
        return ""
    if len(named) > 1:
        return "several methods are named: send one verb"
    if not set(named) <= set(OVERRIDE_METHODS):
        return f"unknown verb: use {', '.join(OVERRIDE_METHODS)}"
    return "" if method == "POST" else f"only POST can name another verb, and this is {method}: send it as POST"


class HeadMiddleware:
    """Passes HEAD to the application as GET. The HTTP server omits the response body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", "state": {**scope.get("state", {}), "head": True}}
        await self._app(scope, receive, send)


def is_head(request: Request) -> bool:
    """Return whether the client sent HEAD."""
    return bool(request.scope.get("state", {}).get("head"))
