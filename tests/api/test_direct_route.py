"""A route calls its dependencies with the request, and refuses functions that it could not call."""

from __future__ import annotations

from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.responses import PlainTextResponse, Response

from ivr.api.direct_route import DirectRoute


async def word(request: Request) -> str:
    return str(request.path_params["word"])


def not_async(request: Request) -> str:
    return ""


async def takes_more(request: Request, other: str = "") -> str:
    return other


async def test_dependencies_are_resolved_and_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    router = APIRouter(route_class=DirectRoute)

    @router.put("/{word}", status_code=201)
    async def echo(request: Request, text: Annotated[str, Depends(word)]) -> Response:
        return PlainTextResponse(f"{request.method} {text}", 201)

    async def resolve_nothing(**_: object) -> None:
        pytest.fail("FastAPI's resolver was called")

    monkeypatch.setattr("fastapi.routing.solve_dependencies", resolve_nothing)
    app = FastAPI()
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        response = await http.put("/hello")
    assert (response.status_code, response.text) == (201, "PUT hello")
    assert list(app.openapi()["paths"]["/{word}"]) == ["put"]


@pytest.mark.parametrize("dependency", [not_async, takes_more])
def test_other_dependencies_are_refused(dependency: object) -> None:
    async def route(request: Request, value: str) -> Response:
        return Response()

    route.__annotations__["value"] = Annotated[str, Depends(dependency)]  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="request alone"):
        APIRouter(route_class=DirectRoute).get("/")(route)


def test_other_parameters_are_refused() -> None:
    async def route(request: Request, name: str) -> Response:
        return Response()

    with pytest.raises(TypeError, match="parameters must be"):
        APIRouter(route_class=DirectRoute).get("/{name}")(route)
