"""Routes whose functions take the request and what `Depends` provides for it, and nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class DirectRoute(APIRoute):
    """Calls each dependency with the request, in order, then the function of the route, which builds the response.

    FastAPI's own handler resolves nested dependencies, validates parameters and converts results for every request,
    which takes longer than most of the functions here. The OpenAPI document is still FastAPI's. Errors go to the
    handlers of the application.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Called by FastAPI for each router that includes the route. Raises TypeError for other functions."""
        return _build_handler(self.endpoint, {found.name: found.call for found in self.dependant.dependencies})


def _build_handler(
    endpoint: Callable[..., Any], dependencies: dict[str | None, Callable[..., Any] | None]
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """Raises TypeError if the function or a dependency takes anything else, or is not `async`."""
    resolvers: list[tuple[str, Callable[[Request], Awaitable[Any]]]] = []
    for name, call in dependencies.items():
        if name is None or call is None or not _takes_request_alone(call):
            raise TypeError(f"{endpoint}: dependency {name} must be an async function of the request alone")
        resolvers.append((name, call))
    if set(inspect.signature(endpoint).parameters) != {"request", *dict(resolvers)}:
        raise TypeError(f"{endpoint}: parameters must be the request and dependencies")

    async def handle(request: Request) -> Response:
        values = {name: await resolve(request) for name, resolve in resolvers}
        response: Response = await endpoint(request=request, **values)
        return response

    return handle


def _takes_request_alone(call: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(call) and len(inspect.signature(call).parameters) == 1
