"""ARI over TLS, and peers at the ports of ARI that are not Asterisk."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from ivr.call.ari.client import AriClient
from ivr.call.ari.connection import ConnectionRegistry
from ivr.call.ari.server import AriServer
from ivr.call.ari.settings import AriSettings
from ivr.errors import SettingsError
from ivr.service.service import Service, start_service
from tests.call.conftest import SECRET
from tests.call.test_ari import FROM_ALICE
from tests.call.test_ari_connections import FakeAriHttpServer, credentials, free_port, start_listening_service
from tests.support.app_fixture import AppFixture
from tests.support.certificates import create_certificate
from tests.support.fake_ari_server import PASSWORD, USER, FakeAriServer

Certificate = tuple[Path, Path]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return create_certificate(tmp_path_factory.mktemp("asterisk"))


def server_side(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


def new_app(folder: Path, sounds: Path, **ari: object) -> AppFixture:
    return AppFixture(
        folder / "data", sounds={"folder": sounds}, asterisk={"secret": SECRET}, fastagi={"port": 0},
        ari={"password": PASSWORD, **ari},
    )  # fmt: skip


async def delete_message_by_phone(app: AppFixture, asterisk: FakeAriServer) -> None:
    """A call of alice, who hears a message and deletes it."""
    message = await app.create_message(await app.create_box(owner=app.alice))
    call = asterisk.call("check", "account=demo", "number=1000", variables=FROM_ALICE)
    await call.wait_for_playback("(recording)")
    call.press("7")
    await call.wait_for_playback("To leave")
    call.press("#")
    assert await call.wait_until_over() == "DONE"
    assert await app.folder_of(message) == "deleted"


async def test_call_and_requests_over_tls(
    tmp_path: Path, tone_prompts: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with an Asterisk before 22.4: the events come over the WebSocket, the requests go over HTTPS."""
    asterisk = FakeAriServer()
    asterisk.supports_websocket_requests = False
    await asterisk.start_listening(server_side(certificate))
    http = FakeAriHttpServer(asterisk)
    async with await http.open(server_side(certificate)):
        client = partial(AriClient, rest_port=http.port, probe_timeout_s=0.1)
        monkeypatch.setattr("ivr.service.call_servers.AriClient", client)
        app = new_app(tmp_path, tone_prompts, port=asterisk.port, tls=True, tls_ca=certificate[0])
        service = await start_listening_service(app)
        await asterisk.connected()
        await delete_message_by_phone(app, asterisk)
        assert http.requests > 10
        await service.stop()
    await asterisk.stop()


class Squatter:
    """A program that listens at the port of an Asterisk that is away."""

    def __init__(self) -> None:
        self.received = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received += await reader.read(1000)
        writer.write(b"SSH-2.0-squatter\r\n")
        writer.close()


@pytest.mark.parametrize("shows_certificate", [False, True], ids=["plain", "certificate of its own"])
async def test_who_listens_in_place_of_asterisk_gets_no_password(
    tmp_path: Path, certificate: Certificate, shows_certificate: bool
) -> None:
    squatter = Squatter()
    tls = server_side(create_certificate(tmp_path)) if shows_certificate else None
    async with await asyncio.start_server(squatter.serve, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        settings = AriSettings(port=port, password=PASSWORD, tls=True, tls_ca=certificate[0])
        with capture_logs() as logs:
            client = asyncio.create_task(AriClient(settings, ConnectionRegistry()).run_forever())
            async with asyncio.timeout(30):
                while not logs:
                    await asyncio.sleep(0.01)
            client.cancel()
            await asyncio.gather(client, return_exceptions=True)
    assert base64.b64encode(f"{USER}:{PASSWORD}".encode()) not in squatter.received
    assert b"Authorization" not in squatter.received
    reason = logs[0]["reason"]
    assert ("tls_ca in [ari]" if shows_certificate else "tlsbindaddr") in reason


@pytest.mark.parametrize(
    ("ari", "named"),
    [
        ({"tls": True, "tls_ca": "{missing}"}, "ari.tls_ca"),
        ({"tls": True, "tls_ca": "{key}"}, "ari.tls_ca"),
        ({"listen_port": 1, "listen_tls_key": "{key}"}, "only one of ari.listen_tls_certificate"),
        ({"listen_port": 1, "listen_tls_certificate": "{certificate}"}, "set both or neither"),
        (
            {"listen_port": 1, "listen_tls_certificate": "{key}", "listen_tls_key": "{key}"},
            "cannot use ari.listen_tls_certificate",
        ),
    ],
    ids=["no file", "no certificate", "key alone", "certificate alone", "key twice"],
)
async def test_certificate_that_cannot_be_used_is_an_error(
    tmp_path: Path, tone_prompts: Path, certificate: Certificate, ari: dict[str, object], named: str
) -> None:
    paths = {"missing": tmp_path / "missing.pem", "certificate": certificate[0], "key": certificate[1]}
    app = new_app(tmp_path, tone_prompts, **{name: str(value).format(**paths) for name, value in ari.items()})
    await app.open()
    with pytest.raises(SettingsError, match=named.replace(".", r"\.")):
        await start_service(app.container, component="calls")
    app.close()


@pytest.fixture
async def tls_service(
    tmp_path: Path, tone_prompts: Path, certificate: Certificate
) -> AsyncIterator[tuple[AppFixture, int, Service]]:
    """A service to which Asterisk connects over TLS, at which port."""
    port = await free_port()
    paths = {"listen_tls_certificate": certificate[0], "listen_tls_key": certificate[1]}
    app = new_app(tmp_path, tone_prompts, listen_port=port, handshake_timeout_s=0.3, **paths)
    service = await start_listening_service(app)
    yield app, port, service
    await service.stop()


async def test_asterisk_connects_over_tls(
    tls_service: tuple[AppFixture, int, Service], ari_server: FakeAriServer, certificate: Certificate
) -> None:
    app, port, _ = tls_service
    tls = ssl.create_default_context(cafile=certificate[0])
    await ari_server.dial(f"wss://127.0.0.1:{port}/", credentials(PASSWORD), tls)
    await delete_message_by_phone(app, ari_server)


async def test_connection_that_never_shakes_hands_is_closed(tls_service: tuple[AppFixture, int, Service]) -> None:
    _, port, _ = tls_service
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[int]:
    """The port of a server for connections of Asterisk that holds 5 without a sign-in."""
    settings = AriSettings(
        listen_port=await free_port(), password=PASSWORD, handshake_timeout_s=20, max_silent=5, max_silent_per_address=4
    )
    server = AriServer(settings, ConnectionRegistry(), refusal_delay_s=2)
    await server.start()
    yield settings.listen_port
    await server.stop()


async def sign_in(port: int, password: str) -> None:
    uri, header = f"ws://127.0.0.1:{port}/", credentials(password)
    async with connect(uri, additional_headers=header, subprotocols=[Subprotocol("ari")]):
        pass


async def test_thousand_silent_connections_keep_no_asterisk_out(listener: int) -> None:
    async with asyncio.timeout(60):
        flood = [await asyncio.open_connection("127.0.0.1", listener) for _ in range(1000)]
        await sign_in(listener, PASSWORD)
        ended = [asyncio.create_task(reader.read()) for reader, _ in flood[:-4]]
        await asyncio.gather(*ended, return_exceptions=True)  # Some end by a reset.
        assert not any(reader.at_eof() for reader, _ in flood[-3:]), "those that are held"
    for _, writer in flood:
        writer.close()


async def test_silent_connections_of_one_address_leave_room_for_those_of_another(listener: int) -> None:
    """Each address is bounded by itself: what another address holds is not closed for its flood."""
    async with asyncio.timeout(60):
        other = await asyncio.open_connection("127.0.0.1", listener, local_addr=("127.0.0.2", 0))
        flood = [await asyncio.open_connection("127.0.0.1", listener) for _ in range(100)]
        await sign_in(listener, PASSWORD)
        ended = [asyncio.create_task(reader.read()) for reader, _ in flood[:-4]]
        await asyncio.gather(*ended, return_exceptions=True)
    assert not other[0].at_eof(), "the oldest of all, and the only one of its address"
    for _, writer in (*flood, other):
        writer.close()


async def test_few_passwords_can_be_tried_and_the_right_one_is_taken_meanwhile(listener: int) -> None:
    tries = [asyncio.create_task(sign_in(listener, f"guess-{number}")) for number in range(50)]
    async with asyncio.timeout(60):
        while sum(one.done() for one in tries) < 46:
            await asyncio.sleep(0.01)
        await sign_in(listener, PASSWORD)
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(outcome, InvalidStatus) for outcome in outcomes) <= 4, "the others were not even looked at"
    assert None not in outcomes


@pytest.mark.parametrize("user", [b"\xff\xfe:word", b"ivr:\xf5", b"\x1b[31m:word"], ids=["user", "password", "escape"])
async def test_credentials_in_other_bytes_are_refused_without_a_traceback(user: bytes) -> None:
    settings = AriSettings(listen_port=await free_port(), password=PASSWORD)
    server = AriServer(settings, ConnectionRegistry(), refusal_delay_s=0)
    await server.start()
    header = {"Authorization": "Basic " + base64.b64encode(user).decode()}
    with capture_logs() as logs, pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{settings.listen_port}/", additional_headers=header)
    assert refused.value.response.status_code == 401
    assert [line["event"] for line in logs] == ["ari.refused"]
    assert str(logs).isascii()
    assert "\x1b" not in logs[0]["user"]
    await server.stop()
