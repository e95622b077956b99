"""The HTTP server: TLS, its own process, addresses in use, proxies and the allowlist."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest

from ivr.api.asgi import build_asgi_app
from ivr.api.server import ApiServer, ListenAddress
from ivr.errors import SettingsError
from tests.api.conftest import serve_api, serve_client
from tests.support.app_fixture import AppFixture
from tests.support.certificates import create_certificate


async def test_api_is_served_over_tls(app: AppFixture, tmp_path: Path) -> None:
    certificate, key = create_certificate(tmp_path)
    address = ListenAddress("127.0.0.1", 0, tls_certificate=certificate, tls_key=key)
    async with (
        serve_api(app, address) as url,
        httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(certificate))) as http,
    ):
        response = await http.get(f"{url}/v2/accounts/x/vmboxes")
    assert (url[:8], response.status_code) == ("https://", 401)


async def test_request_in_the_last_message_of_the_handshake_is_answered(
    app: AppFixture, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As clients of TLS 1.3 send it. A client that leaves in the handshake is no error in the log."""
    certificate, key = create_certificate(tmp_path)
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(certificate))
    client = context.wrap_bio(received, sent, server_hostname="127.0.0.1")
    async with serve_api(app, ListenAddress("127.0.0.1", 0, tls_certificate=certificate, tls_key=key)) as url:
        host, port = url.removeprefix("https://").split(":")
        _, leaving = await asyncio.open_connection(host, int(port))
        leaving.write(b"GET / HTTP/1.1\r\n\r\n")
        leaving.close()
        reader, writer = await asyncio.open_connection(host, int(port))
        while not _shake_hands(client):
            writer.write(sent.read())
            received.write(await reader.read(65_536))
        client.write(b"GET /v2/accounts/x/vmboxes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        writer.write(sent.read())
        answer = b""
        while b"\r\n\r\n" not in answer and (data := await reader.read(65_536)):
            received.write(data)
            with suppress(ssl.SSLWantReadError):
                answer += client.read()
        writer.transport.abort()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def _shake_hands(client: ssl.SSLObject) -> bool:
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


async def test_unusable_certificate_or_listen_address_is_an_error(app: AppFixture, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("x")
    asgi_app = build_asgi_app(app.container.api_services)
    for address in (
        ListenAddress("127.0.0.1", 0, tls_certificate=wrong, tls_key=wrong),
        ListenAddress("127.0.0.1", 0, tls_certificate=wrong),
    ):
        with pytest.raises(SettingsError, match=r"api\.tls_certificate"):
            await ApiServer(asgi_app, address).start()
    first = ApiServer(asgi_app, ListenAddress("127.0.0.1", 0))
    port = int((await first.start()).rpartition(":")[2])
    with pytest.raises(SettingsError, match=r"change api\.host or api\.port"):
        await ApiServer(asgi_app, ListenAddress("127.0.0.1", port)).start()
    await first.stop()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a process of its own, with a data folder."""
    inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {
        **inherited,
        "IVR_DATA__FOLDER": str(tmp_path / "data"),
        "IVR_API__PORT": "0",
        "IVR_PINS__BCRYPT_COST": "4",
    }


@contextmanager
def api_process(environment: dict[str, str], *options: str) -> Iterator[tuple[subprocess.Popen[str], str, Any]]:
    """Run `ivr serve --only api`; yields the process, its first line and a function that sends a request."""

    def ivr(*words: str) -> str:
        command = [sys.executable, "-m", "ivr", *words]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    ivr("account", "create", "demo")
    created = json.loads(ivr("token", "create", "--json"))
    process = subprocess.Popen(
        [sys.executable, "-m", "ivr", "serve", "--only", "api", *options], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        first_line = process.stdout.readline()
        path = f"{first_line.split()[-1]}/v2/accounts/{created['account_id']}/vmboxes"
        yield process, first_line, lambda: httpx.get(path, headers={"X-Auth-Token": created["token"]})
    finally:
        process.terminate()
        process.wait(60)
        if process.stdout:
            process.stdout.close()


def test_api_runs_in_its_own_process(environment: dict[str, str]) -> None:
    with api_process(environment) as (process, first_line, get_boxes):
        response = get_boxes()
        assert (response.status_code, response.json()["data"], "agi:" in first_line) == (200, [], False)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def children(process_id: int) -> set[int]:
    return {int(one) for one in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()}


def test_several_processes_share_one_address_and_replace_each_other(environment: dict[str, str]) -> None:
    with api_process(environment, "--workers", "2") as (process, _, get_boxes):
        before = children(process.pid)
        assert len(before) == 2
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: not is_running(killed))  # Until then the kernel may give it a connection.
        assert get_boxes().status_code == 200, "the other one serves"
        wait_for(lambda: len(children(process.pid) - {killed}) == 2)
        assert {get_boxes().status_code for _ in range(10)} == {200}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_processes_end_with_their_parent(environment: dict[str, str]) -> None:
    with api_process(environment, "--workers", "2") as (process, _, _):
        started = children(process.pid)
        process.kill()
        process.wait(60)
        wait_for(lambda: not any(map(is_running, started)))


@pytest.mark.parametrize("options", [(), ("--only", "calls")])
def test_calls_have_one_process(environment: dict[str, str], options: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "ivr", "serve", "--workers", "2", *options]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "--workers needs --only api" in refused.stderr


def is_running(process_id: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + 60
    while not condition():
        assert monotonic() < deadline
        sleep(0.05)


@pytest.mark.api_settings(failures_per_hour=1)
@pytest.mark.parametrize(("proxies", "statuses"), [("127.0.0.1", [401, 401, 429]), ("", [401, 429, 429])])
async def test_client_address_is_taken_from_trusted_proxy(app: AppFixture, proxies: str, statuses: list[int]) -> None:
    address = ListenAddress("127.0.0.1", 0, trusted_proxies=proxies)
    async with serve_api(app, address) as url, httpx.AsyncClient(headers={"X-Auth-Token": "wrong"}) as http:
        for client, status in zip(("192.0.2.1", "192.0.2.2", "192.0.2.2"), statuses, strict=True):
            response = await http.get(f"{url}/v2/accounts/x/vmboxes", headers={"X-Forwarded-For": client})
            assert response.status_code == status


@pytest.mark.parametrize(
    ("networks", "status"), [(["192.0.2.0/24"], 403), (["192.0.2.0/24", "127.0.0.1"], 200), ([], 200)]
)
async def test_clients_outside_allowlist_are_forbidden(app: AppFixture, networks: list[str], status: int) -> None:
    token, _ = await app.container.tokens.create(app.account.id)
    async with serve_client(app, token, allowed_networks=tuple(map(ip_network, networks))) as client:
        response = await client.request("GET")
    assert (response.status_code, response.json()["status"]) == (status, "success" if status == 200 else "error")


async def test_responses_are_not_delayed_by_nagle(app: AppFixture) -> None:
    """Nagle's algorithm would delay a small response of two writes by 40 ms."""
    server = ApiServer(build_asgi_app(app.container.api_services), ListenAddress("127.0.0.1", 0))
    await server.start()
    assert server._server
    [listening] = server._server.servers[0].sockets
    assert listening.proto == socket.IPPROTO_TCP  # asyncio sets TCP_NODELAY on connections of this protocol only.
    await server.stop()
