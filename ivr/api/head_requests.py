"""HEAD: what GET would answer, without its body, wherever there is a GET."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send


class HeadMiddleware:
    """ASGI middleware. The application sees a GET; whoever speaks HTTP leaves the body of its answer out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", "state": {**scope.get("state", {}), "head": True}}
        await self._app(scope, receive, send)


def is_head(request: Request) -> bool:
    """Whether nobody will see the body of the answer."""
    return bool(getattr(request.state, "head", False))
