"""The ways between Asterisk and us for ARI: its HTTP for requests, and its dialling us."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from ivr.call.ari import protocol
from ivr.call.ari.http import Http
from ivr.clock import SystemClock
from ivr.errors import LineLost, SettingsError
from ivr.serving.service import Service, serve
from tests.call.conftest import SECRET
from tests.call.test_ari import FROM_ALICE
from tests.support.ari import PASSWORD, USER, FakeAri
from tests.support.house import House


class Door:
    """The HTTP server of a `FakeAri`."""

    def __init__(self, asterisk: FakeAri) -> None:
        self.port = 0
        self.asked = 0
        self.connections = 0
        self.closes = ""
        """How it closes behind an answer: "untold"; or "told", and is waited for to do it."""
        self.says: bytes | None = None
        self._asterisk = asterisk

    async def open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError):
            while True:
                await self._answer(reader, writer)
                if self.says is not None or self.closes:
                    break
        if self.closes == "told":
            await reader.read()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked += 1
        method, path, _ = head.split(" ", 2)
        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if f"Authorization: Basic {credentials}" not in head:
            status, body = 401, json.dumps({"message": "Authentication required"})
        else:
            status, said = await self._asterisk.answer(method, path.removeprefix("/ari/"))
            body = json.dumps(said) if said is not None else ""
        closes = "Connection: close\r\n" * (self.closes == "told")
        head = f"HTTP/1.1 {status} X\r\n{closes}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(self.says if self.says is not None else (head + body).encode())


@pytest.fixture
async def door(asterisk: FakeAri) -> AsyncIterator[Door]:
    door = Door(asterisk)
    async with await door.open():
        yield door


@pytest.fixture
async def http(door: Door) -> AsyncIterator[Http]:
    http = Http("127.0.0.1", door.port, USER, PASSWORD)
    yield http
    http.close()


async def test_a_request_over_http(http: Http) -> None:
    answer = await http("GET", "applications/ivr")
    assert answer.body == {"name": "ivr", "channel_ids": []}
    answer = await http("POST", "channels/x/answer")
    assert (answer.status, answer.message) == (404, "Channel not found")


async def test_another_password_is_refused(door: Door) -> None:
    http = Http("127.0.0.1", door.port, USER, "guessed")
    assert (await http("GET", "asterisk/ping")).status == 401
    http.close()


async def test_one_connection_carries_one_request_after_the_other_and_several_those_at_once(
    http: Http, door: Door
) -> None:
    for _ in range(5):
        await http("GET", "asterisk/ping")
    assert door.connections == 1
    await asyncio.gather(*(http("GET", "asterisk/ping") for _ in range(3)))
    assert door.connections == 3


@pytest.mark.parametrize("how", ["told", "untold"])
async def test_a_connection_that_asterisk_has_closed_is_not_asked_again(http: Http, door: Door, how: str) -> None:
    door.closes = how
    for n in range(1, 4):
        assert (await http("GET", "asterisk/ping")).ok
        await asyncio.sleep(0.05)  # For the end to get here.
        assert door.connections == n


async def test_nor_is_one_that_asterisk_is_about_to_close(
    http: Http, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("ivr.call.ari.http.IDLE_S", -1.0)
    await http("GET", "asterisk/ping")
    await http("GET", "asterisk/ping")
    assert door.connections == 2


async def test_who_has_closed_keeps_none(http: Http, door: Door) -> None:
    http.close()
    await http("GET", "asterisk/ping")
    await http("GET", "asterisk/ping")
    assert door.connections == 2


@pytest.mark.parametrize(
    "says",
    [
        b"", b"HTTP/1.1", b"HTTP/1.1 200 OK\r\n", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", b"\r\n\r\n",
    ],
    ids=str,
)  # fmt: skip
async def test_what_is_no_answer_is_a_lost_line(door: Door, says: bytes) -> None:
    door.says = says
    with pytest.raises(LineLost):
        await Http("127.0.0.1", door.port, USER, PASSWORD)("GET", "asterisk/ping")


async def test_an_asterisk_that_takes_no_requests_over_the_websocket_gets_them_over_http(
    asterisk: FakeAri, door: Door, tmp_path: Path, humming: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are the same port in Asterisk; the peer has two."""
    asterisk.takes_requests = False
    monkeypatch.setattr("ivr.call.ari.dialling.Http", lambda host, port, *how: Http(host, door.port, *how))
    monkeypatch.setattr("ivr.call.ari.connection.OFFERED_WITHIN_S", 0.1)
    house = House(
        tmp_path / "data", sounds={"folder": humming}, asterisk={"secret": SECRET}, fastagi={"port": 0},
        ari={"port": asterisk.port, "password": PASSWORD},
    )  # fmt: skip
    house.clock = SystemClock()  # type: ignore[assignment]
    await house.open()
    message = await house.message(await house.box(owner=house.alice))
    service = await serve(house.app, only="calls")
    await asterisk.connected()
    call = asterisk.call("check", "account=demo", "number=1000", variables=FROM_ALICE)
    await call.plays("(recording)")
    call.press("7")
    await call.plays("To leave")
    call.press("#")
    assert await call.ends() == "DONE"
    assert await house.folder_of(message) == "deleted"
    assert door.asked > 10
    await service.stop()


# -- Asterisk dials us -------------------------------------------------------------------------------------------------


async def _free_port() -> int:
    probe = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = int(probe.sockets[0].getsockname()[1])
    probe.close()
    await probe.wait_closed()
    return port


async def _listens(house: House) -> Service:
    house.clock = SystemClock()  # type: ignore[assignment]
    await house.open()
    return await serve(house.app, only="calls")


@pytest.fixture
async def listening(tmp_path: Path, humming: Path) -> AsyncIterator[tuple[House, int, Service]]:
    """A service that Asterisk is to dial, and at which port."""
    port = await _free_port()
    house = House(
        tmp_path / "data", sounds={"folder": humming}, asterisk={"secret": SECRET}, fastagi={"port": 0},
        ari={"listen_port": port, "password": PASSWORD},
    )  # fmt: skip
    service = await _listens(house)
    yield house, port, service
    await service.stop()


@pytest.fixture
async def for_each_call(
    asterisk: FakeAri, tmp_path: Path, humming: Path
) -> AsyncIterator[tuple[House, int, Service]]:  # fmt: skip
    """A service that Asterisk is to dial for each call, and that dials Asterisk once."""
    port = await _free_port()
    own = {"port": asterisk.port, "application": "own", "listen_port": port, "listen_per_call": True}
    house = House(
        tmp_path / "data", sounds={"folder": humming}, asterisk={"secret": SECRET}, fastagi={"port": 0},
        ari={**own, "password": PASSWORD},
    )  # fmt: skip
    service = await _listens(house)
    yield house, port, service
    await service.stop()


def credentials(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()}


async def test_asterisk_dials_us_and_a_call_comes(listening: tuple[House, int, Service], asterisk: FakeAri) -> None:
    house, port, _ = listening
    message = await house.message(await house.box(owner=house.alice))
    await asterisk.dial(f"ws://127.0.0.1:{port}/", credentials(PASSWORD))
    call = asterisk.call("check", "account=demo", "number=1000", variables=FROM_ALICE)
    await call.plays("(recording)")
    call.press("7")
    await call.plays("To leave")
    call.press("#")
    assert await call.ends() == "DONE"
    assert await house.folder_of(message) == "deleted"


OF_ALICE = "ivr:PJSIP/alice-00000001"
"""What Asterisk calls the application of a connection that is alice's call's."""


async def test_a_call_that_came_by_a_connection_of_its_own_goes_on_without_it(
    for_each_call: tuple[House, int, Service], asterisk: FakeAri
) -> None:
    """Asterisk closes it 3 s behind the first Stasis()."""
    house, port, _ = for_each_call
    await asterisk.connected()
    message = await house.message(await house.box(owner=house.alice))
    await asterisk.dial(f"ws://127.0.0.1:{port}/", credentials(PASSWORD))
    call = asterisk.call("check", "account=demo", "number=1000", variables=FROM_ALICE, application=OF_ALICE)
    await call.plays("(recording)")
    await asterisk.hang_up_what_was_dialled()
    call.press("7")
    await call.plays("To leave")
    call.press("#")
    assert await call.ends() == "DONE"
    assert await house.folder_of(message) == "deleted"


async def test_without_a_connection_of_ours_such_a_call_goes_back_to_the_dialplan(
    for_each_call: tuple[House, int, Service], asterisk: FakeAri
) -> None:
    """Which tries the next name."""
    _, port, _ = for_each_call
    await asterisk.connected()
    asterisk.refuses_connections = True
    await asterisk.lose_connections()
    await asterisk.dial(f"ws://127.0.0.1:{port}/", credentials(PASSWORD))
    call = asterisk.call("check", "account=demo", "number=1000", application=OF_ALICE)
    assert await call.ends() == ""
    assert call.heard == []


@pytest.mark.parametrize("password", ["guessed", ""])
async def test_who_does_not_know_the_password_is_no_asterisk_of_ours(
    listening: tuple[House, int, Service], password: str
) -> None:
    _, port, _ = listening
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://127.0.0.1:{port}/", additional_headers=credentials(password))
    assert refused.value.response.status_code == 401


async def test_an_address_in_use_is_told(listening: tuple[House, int, Service], tmp_path: Path, humming: Path) -> None:
    _, port, _ = listening
    other = House(
        tmp_path / "other", sounds={"folder": humming}, fastagi={"port": 0},
        ari={"listen_port": port, "password": PASSWORD},
    )  # fmt: skip
    await other.open()
    with pytest.raises(SettingsError, match="listen_port"):
        await serve(other.app, only="calls")
    other.close()


# -- what goes over them -----------------------------------------------------------------------------------------------


def test_what_the_dialplan_says_is_read_from_where_it_says_it() -> None:
    def said(app: str, data: str) -> object:
        return protocol.stasis_words({"dialplan": {"app_name": app, "app_data": data}})

    assert said("Stasis", "ivr,check,number=1000,") == ["check", "number=1000", ""]
    assert said("Stasis", "ivr") == []
    assert said("StasisBroadcast", "200,^(a|b)$,check:number=1000") == ["check", "number=1000"]
    assert said("StasisBroadcast", "") == []
    assert said("Record", "x.wav,5") is None
    assert protocol.stasis_words(None) is None


def test_a_path_holds_whatever_its_parts_hold() -> None:
    assert protocol.path("channels", "1.2/..?x#&", "play") == "channels/1.2%2F..%3Fx%23%26/play"
    assert protocol.query(media="sound:/a b,c&d", offsetms=None) == "?media=sound%3A%2Fa+b%2Cc%26d"
