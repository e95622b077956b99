"""Members of the envelope, its layout, and the headers that let pages of other origins read it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from ipaddress import ip_network

import httpx
import pytest

from tests.api.conftest import RestClient, serve_client
from tests.support.app_fixture import NOON, AppFixture

PORTAL = "https://portal.example.com"
PREFLIGHT = {
    "Origin": PORTAL,
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "x-auth-token,x-kazoo-cluster-id",
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


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /v2/x HTTP/1.1\r\nbroken\r\n\r\n",
        b"POST /v2/x?verb=JUMP HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"DELETE /v2/x?verb=GET HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PATCH /v2/user_auth HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"PUT /v2/user_auth HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{",
    ],
)
async def test_every_error_has_the_members_of_the_envelope(api_url: str, request_bytes: bytes) -> None:
    url = httpx.URL(api_url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(request_bytes)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    envelope = json.loads(await reader.readexactly(int(length.split(b":")[1])))
    writer.close()
    assert head.split()[1].decode() == envelope["error"]
    assert [*envelope] == ["auth_token", "data", "error", "message", "request_id", "timestamp", "status"]
    assert envelope["request_id"] in head.decode()


async def test_client_outside_the_allowed_networks_gets_the_envelope(rest: RestClient, app: AppFixture) -> None:
    async with serve_client(app, rest.token, allowed_networks=(ip_network("192.0.2.0/24"),)) as client:
        assert "timestamp" in await client.request_error(403, "GET")


@pytest.mark.parametrize(("query", "header"), [("?pretty_print=true", ""), ("", "true"), ("?pretty_print=1", "")])
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
