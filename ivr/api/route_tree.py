"""Finds the route of a request by the segments of its path, and calls it without FastAPI's own routing.

FastAPI tries one route after the other, and passes a request through several layers of its own; both take longer than
most routes here. What the tree does not find goes to FastAPI: unknown paths, methods that a path does not have, the
documentation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ivr.api.direct_route import DirectRoute

Handler = Callable[[Request], Awaitable[Response]]
ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]


@dataclass(slots=True)
class _Node:
    """A position in paths: what may follow, and the routes that end here."""

    literals: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    """What follows a segment that is a parameter. A literal segment precedes it."""
    handlers: dict[str, tuple[Handler, tuple[str, ...]]] = field(default_factory=dict)
    """Handler and names of the parameters by method."""


class RouteTree:
    """The routes of an application by path and method."""

    def __init__(self, routes: Iterable[DirectRoute]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        """Return the handler of a request and the parameters of its path; None: there is none."""
        node, values = self._walk(path)
        found = node.handlers.get(method) if node else None
        return None if found is None else (found[0], dict(zip(found[1], values, strict=True)))

    def methods(self, path: str) -> set[str]:
        """Return the methods of a path; none if it is unknown."""
        node, _ = self._walk(path)
        return set(node.handlers) if node else set()

    def _walk(self, path: str) -> tuple[_Node | None, list[str]]:
        """Return where a path ends, and the values of its parameters."""
        values: list[str] = []
        node: _Node | None = self._root
        for segment in path.split("/")[1:]:
            assert node
            following = node.literals.get(segment)
            if following is None:
                if not segment:
                    return None, []
                following = node.parameter
                values.append(segment)
            if following is None:
                return None, []
            node = following
        return node, values

    def _add(self, route: DirectRoute) -> None:
        node, names = self._root, []
        for segment in route.path.split("/")[1:]:
            if segment.startswith("{"):
                names.append(segment.strip("{}"))
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        for method in route.methods or ():
            node.handlers.setdefault(method, (route.get_route_handler(), tuple(names)))


class RouteTreeMiddleware:
    """Calls the route that the tree finds; every other request goes to `app`.

    `on_error`: makes the response to an exception of each class; the first class that fits applies. Exceptions that are
    not expected are raised again after the response.
    """

    def __init__(
        self,
        app: ASGIApp,
        tree: RouteTree,
        on_expected: tuple[type[Exception], ErrorHandler],
        on_unexpected: ErrorHandler,
    ) -> None:
        self._app = app
        self._tree = tree
        self._expected, self._on_expected = on_expected
        self._on_unexpected = on_unexpected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._tree.find(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        handler, scope["path_params"] = found
        request = Request(scope, receive, send)
        try:
            response = await handler(request)
        except ClientDisconnect:
            raise
        except Exception as error:
            if isinstance(error, self._expected):
                response = await self._on_expected(request, error)
            else:
                await (await self._on_unexpected(request, error))(scope, receive, send)
                raise
        await response(scope, receive, send)


def direct_routes(routes: Sequence[object]) -> list[DirectRoute]:
    """Return the routes of a router that can be called directly."""
    return [route for route in routes if isinstance(route, DirectRoute)]
