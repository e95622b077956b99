"""The server itself: over TLS, its own process, and an address in use."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest

from ivr.api.asgi import build_asgi_app
from ivr.api.server import ApiServer, ListenAddress
from ivr.directory.rate_limit import HourlyLimit
from ivr.errors import SettingsError
from tests.support.app_fixture import AppFixture


def create_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", *kind, *name, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


async def test_api_is_served_over_tls(app: AppFixture, tmp_path: Path) -> None:
    certificate, key = create_certificate(tmp_path)
    server = ApiServer(build_asgi_app(app.container.api_services), ListenAddress("127.0.0.1", 0, certificate, key))
    url = await server.start()
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with httpx.AsyncClient(verify=trusting) as http:
        answer = await http.get(f"{url}/v2/accounts/x/vmboxes")
    assert (url[:8], answer.status_code) == ("https://", 401)
    await server.stop()


async def test_unusable_certificate_or_listen_address_is_an_error(app: AppFixture, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("x")
    door = build_asgi_app(app.container.api_services)
    for where in (ListenAddress("127.0.0.1", 0, wrong, wrong), ListenAddress("127.0.0.1", 0, wrong)):
        with pytest.raises(SettingsError, match=r"api\.certificate"):
            await ApiServer(door, where).start()
    first = ApiServer(door, ListenAddress("127.0.0.1", 0))
    port = int((await first.start()).rpartition(":")[2])
    with pytest.raises(SettingsError, match=r"change api\.host or api\.port"):
        await ApiServer(door, ListenAddress("127.0.0.1", port)).start()
    await first.stop()


def test_api_runs_in_its_own_process(tmp_path: Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {
        **kept,
        "IVR_DATA__FOLDER": str(tmp_path / "data"),
        "IVR_API__PORT": "0",
        "IVR_PINS__BCRYPT_COST": "4",
    }

    def ivr(*words: str) -> str:
        command = [sys.executable, "-m", "ivr", *words]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    ivr("account", "create", "demo")
    made = json.loads(ivr("token", "create", "--json"))
    process = subprocess.Popen(
        [sys.executable, "-m", "ivr", "serve", "--only", "api"], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout
    said = process.stdout.readline()
    url = said.split()[-1]
    answer = httpx.get(f"{url}/v2/accounts/{made['account_id']}/vmboxes", headers={"X-Auth-Token": made["token"]})
    assert (answer.status_code, answer.json()["data"], "agi:" in said) == (200, [], False)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    process.stdout.close()


@pytest.mark.parametrize(("proxies", "apart"), [("127.0.0.1", True), ("", False)])
async def test_client_address_is_taken_from_trusted_proxy(app: AppFixture, proxies: str, apart: bool) -> None:
    app.container.api_services.rate_limiter.limit = HourlyLimit(1)
    server = ApiServer(
        build_asgi_app(app.container.api_services), ListenAddress("127.0.0.1", 0, trusted_proxies=proxies)
    )
    url = await server.start()
    async with httpx.AsyncClient(headers={"X-Auth-Token": "wrong"}) as http:
        statuses = [
            (await http.get(f"{url}/v2/accounts/x/vmboxes", headers={"X-Forwarded-For": address})).status_code
            for address in ("192.0.2.1", "192.0.2.2", "192.0.2.2")
        ]
    assert statuses == ([401, 401, 429] if apart else [401, 429, 429])
    await server.stop()


@pytest.mark.parametrize(
    ("clients", "status"), [(["192.0.2.0/24"], 403), (["192.0.2.0/24", "127.0.0.1"], 200), ([], 200)]
)
async def test_clients_outside_allowlist_are_forbidden(app: AppFixture, clients: list[str], status: int) -> None:
    limits = replace(app.container.api_services.limits, allowed_networks=tuple(map(ip_network, clients)))
    server = ApiServer(
        build_asgi_app(replace(app.container.api_services, limits=limits)), ListenAddress("127.0.0.1", 0)
    )
    url = await server.start()
    token, _ = await app.container.tokens.create(app.account.id)
    async with httpx.AsyncClient(headers={"X-Auth-Token": token}) as http:
        answer = await http.get(f"{url}/v2/accounts/{app.account.id}/vmboxes")
    await server.stop()
    assert (answer.status_code, answer.json()["status"]) == (status, "success" if status == 200 else "error")


async def test_responses_are_not_delayed_by_nagle(app: AppFixture) -> None:
    """By Nagle's algorithm a small answer of two writes would wait for 40 ms."""
    server = ApiServer(build_asgi_app(app.container.api_services), ListenAddress("127.0.0.1", 0))
    await server.start()
    assert server._server
    [listening] = server._server.servers[0].sockets
    assert listening.proto == socket.IPPROTO_TCP  # What asyncio asks before it sets TCP_NODELAY on each connection.
    await server.stop()
