"""Around every request: an id, a line in the log, and an answer whatever happens. No traceback leaves this door."""

from __future__ import annotations

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ivr.clock import Clock
from ivr.ids import IdGenerator

log = structlog.get_logger()


class RequestLogMiddleware:
    """ASGI middleware, outermost."""

    def __init__(self, app: ASGIApp, ids: IdGenerator, clock: Clock) -> None:
        self._app = app
        self._ids = ids
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = scope["path"].rstrip("/") or "/"  # Some clients write one more slash.
        request_id = self._ids.new_document_id()
        scope.setdefault("state", {})["request_id"] = request_id
        began, status, finished = self._clock.monotonic(), 0, False

        async def answer(message: Message) -> None:
            nonlocal status, finished
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", [])
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)
            finished = message["type"] == "http.response.body" and not message.get("more_body")

        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            log.info("request.left", request=request_id)  # Nobody is there to be answered.
        except Exception:
            log.exception("request.failed", request=request_id, method=scope["method"], path=scope["path"])
            if not finished:
                raise  # An answer was under way: only cutting it short tells that something is wrong.
        finally:
            ms = round(1000 * (self._clock.monotonic() - began))
            log.info("request", request=request_id, method=scope["method"], path=scope["path"], status=status, ms=ms)
