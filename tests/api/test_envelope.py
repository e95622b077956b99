"""Members of the envelope, its layout, and the headers that let pages of other origins read it."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from tests.api.conftest import RestClient, serve_client
from tests.support.app_fixture import NOON, AppFixture

PORTAL = "https://portal.example.com"
PREFLIGHT = {
    "Origin": PORTAL,
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "x-auth-token",
}


async def test_envelope_names_time_node_and_version_to_signed_in_clients(rest: RestClient, app: AppFixture) -> None:
    envelope = await rest.request_ok("GET")
    assert envelope["timestamp"] == f"{datetime.fromtimestamp(NOON, UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert envelope["version"].count(".") == 2
    assert len(envelope["node"]) == 22
    failed = await rest.request_error(404, "GET", "/nothing")
    assert failed["node"] == envelope["node"]
    async with httpx.AsyncClient() as stranger:
        refused = (await stranger.get(rest.base)).json()
    assert "timestamp" in refused
    assert not {"node", "version"} & set(refused)


@pytest.mark.parametrize(("query", "header"), [("?pretty_print=true", ""), ("", "true")])
async def test_pretty_print_indents_response(rest: RestClient, query: str, header: str) -> None:
    response = await rest.request("GET", query, headers={"X-Pretty-Print": header} if header else {})
    assert response.text.startswith('{\n  "auth_token"')
    assert (await rest.request("GET", "?pretty_print=false")).text.startswith('{"auth_token"')


async def test_page_of_listed_origin_may_use_api(rest: RestClient, app: AppFixture) -> None:
    async with serve_client(app, rest.token, origins=(PORTAL,)) as client:
        preflight = await client.http.options(client.base, headers=PREFLIGHT)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == PORTAL
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        assert "x-auth-token" in preflight.headers["access-control-allow-headers"].lower()
        for response in (
            await client.request("GET", headers={"Origin": PORTAL}),
            await client.request("GET", "/nothing", headers={"Origin": PORTAL}),
            await client.request("GET", headers={"Origin": PORTAL, "X-Auth-Token": "wrong"}),
        ):
            assert response.headers["access-control-allow-origin"] == PORTAL
            assert "ETag" in response.headers["access-control-expose-headers"]
        stranger = await client.http.options(client.base, headers={**PREFLIGHT, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in stranger.headers


async def test_page_of_other_origin_may_not_use_api_by_default(rest: RestClient) -> None:
    response = await rest.request("GET", headers={"Origin": PORTAL})
    assert "access-control-allow-origin" not in response.headers
    assert (await rest.http.options(rest.base, headers=PREFLIGHT)).status_code == 405
