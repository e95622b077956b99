"""The route tree finds the route that FastAPI would find, and leaves the rest to FastAPI."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Match

from ivr.api import audio, boxes, call_recordings, greetings, messages, sessions
from ivr.api.route_tree import RouteTree, direct_routes
from tests.api.conftest import RestClient

ROUTES = [
    route
    for router in (
        *(sessions.router, audio.router, messages.router),
        *(greetings.router, boxes.router, call_recordings.router),
    )
    for route in direct_routes(router.routes)
]
TREE = RouteTree(ROUTES)
SEGMENTS = ["v2", "accounts", "vmboxes", "messages", "raw", "greetings", "user_auth", "x", "", "a b", "ä", "{box_id}"]
METHODS = ["GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"]


def route_of_starlette(method: str, path: str) -> tuple[str, dict[str, str]] | None:
    """Return the template of the first route that matches, and its parameters."""
    scope = {"type": "http", "method": method, "path": path, "root_path": ""}
    for route in ROUTES:
        match, child = route.matches(scope)
        if match is Match.FULL:
            return route.path, child["path_params"]
    return None


def check(method: str, path: str) -> bool:
    """Compare both; return whether the tree found a route."""
    found, expected = TREE.find(method, path), route_of_starlette(method, path)
    if found is None:
        return False  # FastAPI decides.
    _, values = found
    assert expected is not None
    assert values == expected[1]
    assert path == expected[0].format(**values)
    return True


@given(method=st.sampled_from(METHODS), segments=st.lists(st.sampled_from(SEGMENTS), max_size=9))
def test_tree_finds_what_fastapi_finds(method: str, segments: list[str]) -> None:
    check(method, "/" + "/".join(segments))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{sorted(route.methods)[0]} {route.path}")
def test_every_route_is_found(route: object) -> None:
    path = route.path.replace("{", "").replace("}", "")  # type: ignore[attr-defined]
    assert all(check(method, path) for method in route.methods)  # type: ignore[attr-defined]


async def test_errors_of_found_routes_are_those_of_the_application(rest: RestClient) -> None:
    box_id = await rest.create_box("1000")
    assert (await rest.request_error(404, "GET", "/nothing"))["message"] == "bad_identifier"
    assert (await rest.request_error(405, "PATCH"))["message"] == "invalid_method"
    assert (await rest.request_error(404, "GET", f"/{box_id}/nothing"))["message"] == "not_found"
    assert (await rest.request_error(404, "GET", f"/{box_id}/messages/raw"))["message"] == "bad_identifier"
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{rest.url}/docs")).status_code == 200
        assert (await http.get(f"{rest.url}/")).status_code == 404
