"""Connections for ARI: requests over HTTP, and WebSockets that Asterisk opens."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from ivr.call.ari import protocol
from ivr.call.ari.client import AriClient, AriRestClient
from ivr.call.ari.settings import AriSettings
from ivr.clock import SystemClock
from ivr.errors import ConnectionLost, SettingsError
from ivr.service.service import Service, start_service
from tests.call.conftest import SECRET
from tests.call.test_ari import FROM_ALICE
from tests.support.app_fixture import AppFixture
from tests.support.fake_ari_server import PASSWORD, USER, FakeAriServer


class FakeAriHttpServer:
    """The HTTP server of a `FakeAriServer`."""

    def __init__(self, asterisk: FakeAriServer) -> None:
        self.port = 0
        self.requests = 0
        self.connections = 0
        self.closes_after_response = ""
        """How it closes after a response: "silently"; or "announced" by a header, once the client has closed."""
        self.raw_response: bytes | None = None
        self._asterisk = asterisk

    async def open(self, tls: ssl.SSLContext | None = None) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError):
            while True:
                await self._answer(reader, writer)
                if self.raw_response is not None or self.closes_after_response:
                    break
        if self.closes_after_response == "announced":
            await reader.read()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests += 1
        method, path, _ = head.split(" ", 2)
        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if f"Authorization: Basic {credentials}" not in head:
            status, body = 401, json.dumps({"message": "Authentication required"})
        else:
            status, content = await self._asterisk.handle_request(method, path.removeprefix("/ari/"))
            body = json.dumps(content) if content is not None else ""
        closes = "Connection: close\r\n" * (self.closes_after_response == "announced")
        head = f"HTTP/1.1 {status} X\r\n{closes}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(self.raw_response if self.raw_response is not None else (head + body).encode())


@pytest.fixture
async def ari_http_server(ari_server: FakeAriServer) -> AsyncIterator[FakeAriHttpServer]:
    server = FakeAriHttpServer(ari_server)
    async with await server.open():
        yield server


@pytest.fixture
async def rest_client(ari_http_server: FakeAriHttpServer) -> AsyncIterator[AriRestClient]:
    http = AriRestClient(AriSettings(user=USER, password=PASSWORD), ari_http_server.port)
    yield http
    http.close()


async def test_http_request_returns_response(rest_client: AriRestClient) -> None:
    answer = await rest_client("GET", "applications/ivr")
    assert answer.body == {"name": "ivr", "channel_ids": []}
    answer = await rest_client("POST", "channels/x/answer")
    assert (answer.status, answer.message) == (404, "Channel not found")


async def test_wrong_http_password_is_rejected(ari_http_server: FakeAriHttpServer) -> None:
    http = AriRestClient(AriSettings(user=USER, password="guessed"), ari_http_server.port)
    assert (await http("GET", "asterisk/ping")).status == 401
    http.close()


async def test_sequential_requests_reuse_connection_and_concurrent_ones_do_not(
    rest_client: AriRestClient, ari_http_server: FakeAriHttpServer
) -> None:
    for _ in range(5):
        await rest_client("GET", "asterisk/ping")
    assert ari_http_server.connections == 1
    await asyncio.gather(*(rest_client("GET", "asterisk/ping") for _ in range(3)))
    assert ari_http_server.connections == 3


@pytest.mark.parametrize("how", ["announced", "silently"])
async def test_closed_connection_is_not_reused(
    rest_client: AriRestClient, ari_http_server: FakeAriHttpServer, how: str
) -> None:
    ari_http_server.closes_after_response = how
    for n in range(1, 4):
        assert (await rest_client("GET", "asterisk/ping")).ok
        await asyncio.sleep(0.05)  # For the end to get here.
        assert ari_http_server.connections == n


async def test_idle_connection_near_timeout_is_not_reused(
    ari_http_server: FakeAriHttpServer,
) -> None:
    client = AriRestClient(AriSettings(user=USER, password=PASSWORD), ari_http_server.port, idle_timeout_s=-1.0)
    await client("GET", "asterisk/ping")
    await client("GET", "asterisk/ping")
    client.close()
    assert ari_http_server.connections == 2


async def test_closed_client_keeps_no_connections(
    rest_client: AriRestClient, ari_http_server: FakeAriHttpServer
) -> None:
    rest_client.close()
    await rest_client("GET", "asterisk/ping")
    await rest_client("GET", "asterisk/ping")
    assert ari_http_server.connections == 2


@pytest.mark.parametrize(
    "says",
    [
        b"", b"HTTP/1.1", b"HTTP/1.1 200 OK\r\n", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", b"\r\n\r\n",
    ],
    ids=str,
)  # fmt: skip
async def test_malformed_http_response_is_a_lost_connection(ari_http_server: FakeAriHttpServer, says: bytes) -> None:
    ari_http_server.raw_response = says
    with pytest.raises(ConnectionLost):
        await AriRestClient(AriSettings(user=USER, password=PASSWORD), ari_http_server.port)("GET", "asterisk/ping")


async def test_requests_fall_back_to_http_without_websocket_support(
    ari_server: FakeAriServer,
    ari_http_server: FakeAriHttpServer,
    tmp_path: Path,
    tone_prompts: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both are the same port in Asterisk; the peer has two."""
    ari_server.supports_websocket_requests = False
    client = partial(AriClient, rest_port=ari_http_server.port, probe_timeout_s=0.1)
    monkeypatch.setattr("ivr.service.call_servers.AriClient", client)
    app = AppFixture(
        tmp_path / "data", sounds={"folder": tone_prompts}, asterisk={"secret": SECRET}, fastagi={"port": 0},
        ari={"port": ari_server.port, "password": PASSWORD},
    )  # fmt: skip
    app.clock = SystemClock()  # type: ignore[assignment]
    await app.open()
    message = await app.create_message(await app.create_box(owner=app.alice))
    service = await start_service(app.container, component="calls")
    await ari_server.connected()
    call = ari_server.call("check", "account=demo", "number=1000", variables=FROM_ALICE)
    await call.wait_for_playback("(recording)")
    call.press("7")
    await call.wait_for_playback("To leave")
    call.press("#")
    assert await call.wait_until_over() == "DONE"
    assert await app.folder_of(message) == "deleted"
    assert ari_http_server.requests > 10
    await service.stop()


# -- Asterisk dials us -------------------------------------------------------------------------------------------------


async def free_port() -> int:
    probe = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = int(probe.sockets[0].getsockname()[1])
    probe.close()
    await probe.wait_closed()
    return port


async def start_listening_service(app: AppFixture) -> Service:
    app.clock = SystemClock()  # type: ignore[assignment]
    await app.open()
    return await start_service(app.container, component="calls")


@pytest.fixture
async def listening_service(tmp_path: Path, tone_prompts: Path) -> AsyncIterator[tuple[AppFixture, int, Service]]:
    """A service that Asterisk is to dial, and at which port."""
    port = await free_port()
    app = AppFixture(
        tmp_path / "data", sounds={"folder": tone_prompts}, asterisk={"secret": SECRET}, fastagi={"port": 0},
        ari={"listen_port": port, "password": PASSWORD},
    )  # fmt: skip
    service = await start_listening_service(app)
    yield app, port, service
    await service.stop()


@pytest.fixture
async def per_call_service(
    ari_server: FakeAriServer, tmp_path: Path, tone_prompts: Path
) -> AsyncIterator[tuple[AppFixture, int, Service]]:  # fmt: skip
    """A service that Asterisk is to dial for each call, and that dials Asterisk once."""
    port = await free_port()
    own = {"port": ari_server.port, "application": "own", "listen_port": port, "per_call_connections": True}
    app = AppFixture(
        tmp_path / "data", sounds={"folder": tone_prompts}, asterisk={"secret": SECRET}, fastagi={"port": 0},
        ari={**own, "password": PASSWORD},
    )  # fmt: skip
    service = await start_listening_service(app)
    yield app, port, service
    await service.stop()


def credentials(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()}


async def test_call_arrives_over_inbound_websocket(
    listening_service: tuple[AppFixture, int, Service], ari_server: FakeAriServer
) -> None:
    app, port, _ = listening_service
    message = await app.create_message(await app.create_box(owner=app.alice))
    await ari_server.dial(f"ws://127.0.0.1:{port}/", credentials(PASSWORD))
    call = ari_server.call("check", "account=demo", "number=1000", variables=FROM_ALICE)
    await call.wait_for_playback("(recording)")
    call.press("7")
    await call.wait_for_playback("To leave")
    call.press("#")
    assert await call.wait_until_over() == "DONE"
    assert await app.folder_of(message) == "deleted"


ALICE_CHANNEL = "ivr:PJSIP/alice-00000001"
"""What Asterisk calls the application of a connection that is alice's call's."""


async def test_call_survives_close_of_its_per_call_connection(
    per_call_service: tuple[AppFixture, int, Service], ari_server: FakeAriServer
) -> None:
    """Asterisk closes it 3 s behind the first Stasis()."""
    app, port, _ = per_call_service
    await ari_server.connected()
    message = await app.create_message(await app.create_box(owner=app.alice))
    await ari_server.dial(f"ws://127.0.0.1:{port}/", credentials(PASSWORD))
    call = ari_server.call("check", "account=demo", "number=1000", variables=FROM_ALICE, application=ALICE_CHANNEL)
    await call.wait_for_playback("(recording)")
    await ari_server.close_outbound_connections()
    call.press("7")
    await call.wait_for_playback("To leave")
    call.press("#")
    assert await call.wait_until_over() == "DONE"
    assert await app.folder_of(message) == "deleted"


async def test_per_call_connection_without_shared_connection_returns_call_to_dialplan(
    per_call_service: tuple[AppFixture, int, Service], ari_server: FakeAriServer
) -> None:
    """Which tries the next name."""
    _, port, _ = per_call_service
    await ari_server.connected()
    ari_server.rejects_connections = True
    await ari_server.lose_connections()
    await ari_server.dial(f"ws://127.0.0.1:{port}/", credentials(PASSWORD))
    call = ari_server.call("check", "account=demo", "number=1000", application=ALICE_CHANNEL)
    assert await call.wait_until_over() == ""
    assert call.heard == []


@pytest.mark.parametrize("password", ["guessed", ""])
async def test_inbound_websocket_with_wrong_password_is_rejected(
    listening_service: tuple[AppFixture, int, Service], password: str
) -> None:
    _, port, _ = listening_service
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{port}/", additional_headers=credentials(password))
    assert refused.value.response.status_code == 401


async def test_listen_address_in_use_is_reported(
    listening_service: tuple[AppFixture, int, Service], tmp_path: Path, tone_prompts: Path
) -> None:
    _, port, _ = listening_service
    other = AppFixture(
        tmp_path / "other", sounds={"folder": tone_prompts}, fastagi={"port": 0},
        ari={"listen_port": port, "password": PASSWORD},
    )  # fmt: skip
    await other.open()
    with pytest.raises(SettingsError, match="listen_port"):
        await start_service(other.container, component="calls")
    other.close()


# -- what goes over them -----------------------------------------------------------------------------------------------


def test_stasis_arguments_are_read_from_event() -> None:
    def arguments_of(app: str, data: str) -> object:
        return protocol.stasis_arguments({"dialplan": {"app_name": app, "app_data": data}})

    assert arguments_of("Stasis", "ivr,check,number=1000,") == ["check", "number=1000", ""]
    assert arguments_of("Stasis", "ivr") == []
    assert arguments_of("StasisBroadcast", "200,^(a|b)$,check:number=1000") == ["check", "number=1000"]
    assert arguments_of("StasisBroadcast", "") == []
    assert arguments_of("Record", "x.wav,5") is None
    assert protocol.stasis_arguments(None) is None


def test_url_path_parts_are_escaped() -> None:
    assert protocol.build_path("channels", "1.2/..?x#&", "play") == "channels/1.2%2F..%3Fx%23%26/play"
    assert protocol.build_query(media="sound:/a b,c&d", offsetms=None) == "?media=sound%3A%2Fa+b%2Cc%26d"
