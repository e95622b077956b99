"""Clients that want to keep the service busy: silent connections, endless heads, expensive bodies, abandoned work."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import ClientDisconnect, Request
from structlog.testing import capture_logs

from ivr.api.disconnect import run_while_connected
from ivr.api.http_protocol import ConnectionLimits
from ivr.api.request_body import MAX_JSON_CONTAINERS, MAX_JSON_VALUES
from ivr.api.server import ListenAddress
from ivr.audio import converter
from ivr.directory.models import Account
from tests.api.conftest import RestClient, encode_audio, serve_api, tone
from tests.support.app_fixture import AppFixture
from tests.support.certificates import create_certificate


@asynccontextmanager
async def limited_api(app: AppFixture, **limits: object) -> AsyncIterator[httpx.URL]:
    """Serve the API with other limits on connections; yields its URL."""
    address = ListenAddress("127.0.0.1", 0, connection_limits=ConnectionLimits(**limits))  # type: ignore[arg-type]
    async with serve_api(app, address) as url:
        yield httpx.URL(url)


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(url: httpx.URL, sent: bytes = b"") -> Connection:
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(sent)
    return reader, writer


@pytest.mark.parametrize("sent", [b"", b"GET /docs HTTP/1.1\r\nHost: x\r\nX-a: "], ids=["silent", "half a head"])
async def test_connection_without_whole_head_is_closed(app: AppFixture, sent: bytes) -> None:
    async with limited_api(app, head_timeout_s=0.2) as url:
        reader, writer = await connect(url, sent)
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()


async def test_request_with_very_many_headers_is_refused(app: AppFixture) -> None:
    """They arrive at once, before the size of the head is looked at."""
    async with limited_api(app) as url:
        reader, writer = await connect(url, b"GET /docs HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * 251 + b"\r\n")
        received = await asyncio.wait_for(reader.read(), 30)
        assert received.startswith(b"HTTP/1.1 431 ")
        assert json.loads(received.partition(b"\r\n\r\n")[2])["status"] == "error"
        writer.close()


async def test_thousands_of_requests_at_once_end_the_connection(app: AppFixture) -> None:
    """Fifty in one packet are a client in a hurry; each chunk of thousands would hold up calls for 200 ms."""
    request = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    async with limited_api(app) as url:
        for count, all_are_answered in ((50, True), (5000, False)):
            last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            reader, writer = await connect(url, request * count + last)
            received = b""
            with suppress(ConnectionError):
                while chunk := await asyncio.wait_for(reader.read(1 << 16), 30):
                    received += chunk
            assert (received.count(b"HTTP/1.1 404 ") == count + 1) is all_are_answered
            writer.close()


async def test_half_head_behind_whole_request_is_closed(app: AppFixture) -> None:
    async with limited_api(app, head_timeout_s=0.5) as url:
        reader, writer = await connect(url, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\nGET /docs HTTP/1.1\r\nHo")
        received = await asyncio.wait_for(reader.read(), 30)
        assert received.count(b"HTTP/1.1 200 ") == 1
        writer.close()


async def test_slow_body_outlives_limit_of_head(rest: RestClient, app: AppFixture) -> None:
    body = json.dumps({"data": {"name": "A", "mailbox": "1"}}).encode()
    async with limited_api(app, head_timeout_s=0.2) as url:
        head = (
            f"PUT /v2/accounts/{app.account.id}/vmboxes HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {rest.token}\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        reader, writer = await connect(url, head.encode())
        await asyncio.sleep(0.5)  # Longer than a head may take: that is what is tested.
        writer.write(body)
        assert (await asyncio.wait_for(reader.read(), 30)).startswith(b"HTTP/1.1 201 ")
        writer.close()


async def test_body_of_a_byte_now_and_then_is_abandoned(rest: RestClient, app: AppFixture) -> None:
    """Each byte comes in time; all of them would take hours."""
    async with serve_api(app, idle_timeout_s=0.5, min_bytes_per_s=1000) as base:
        reader, writer = await connect(
            httpx.URL(base), b"PUT /v2/user_auth HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n"
        )
        answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        async with asyncio.timeout(30):
            while not answer.done():
                writer.write(b" ")
                await asyncio.sleep(0.05)
        assert answer.result().startswith(b"HTTP/1.1 408 ")
        writer.close()


UNKNOWN = b"PUT /v2/nothing HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("request_head", "then"),
    [
        (UNKNOWN + b"Content-Length: 1000000\r\n\r\n", b"x"),
        (UNKNOWN + b"Content-Length: 1000000\r\n\r\n", b""),
        (b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n"),
    ],
    ids=["rest of a body, byte by byte", "rest of a body, silent", "empty lines"],
)
async def test_connection_is_closed_that_has_its_response_and_goes_on(
    app: AppFixture, request_head: bytes, then: bytes
) -> None:
    """The time for the next head begins with the response, also where the request is not complete."""
    async with limited_api(app, head_timeout_s=0.5) as url:
        reader, writer = await connect(url, request_head)
        answer = asyncio.create_task(reader.read())
        async with asyncio.timeout(30):
            while not answer.done():
                writer.write(then)
                await asyncio.sleep(0.05)
        assert answer.result().startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 200 "))
        writer.close()


@pytest.mark.parametrize("piece", [b"1;" + b"a" * 1000, b"0\r\n" + b"X-a: b\r\n" * 100], ids=["chunk", "trailers"])
async def test_endless_text_around_a_body_is_refused(app: AppFixture, piece: bytes) -> None:
    async with limited_api(app, max_head_bytes=10_000) as url:
        head = b"PUT /v2/user_auth HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        reader, writer = await connect(url, head + piece)
        answer = asyncio.create_task(reader.read())
        async with asyncio.timeout(30):
            while not answer.done():
                writer.write(piece.partition(b"\r\n")[2] or b"a" * 1000)
                await asyncio.sleep(0.01)
        with suppress(ConnectionError):  # Data that the service has not read turn its end into a reset.
            assert answer.result() == b""
        writer.close()


async def test_client_that_takes_nothing_of_a_response_is_dropped(rest: RestClient, app: AppFixture) -> None:
    """Audio that is never read holds a connection, files and buffers."""
    box = await app.create_box("1000", app.alice)
    message = await app.create_message(box, s=900)  # More than the buffers of both sockets hold.
    with capture_logs() as logs:
        async with limited_api(app, send_timeout_s=0.5) as url:
            path = f"/v2/accounts/{app.account.id}/vmboxes/{box.id}/messages/{message.id}/raw"
            head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: audio/wav\r\nX-Auth-Token: {rest.token}\r\n\r\n"
            _, writer = await connect(url, head.encode())
            async with asyncio.timeout(30):
                while not any(line["event"] == "request.aborted" for line in logs):
                    await asyncio.sleep(0.02)
            writer.close()


async def test_endless_head_is_refused(app: AppFixture) -> None:
    async with limited_api(app, max_head_bytes=10_000) as url:
        reader, writer = await connect(url, b"GET /docs HTTP/1.1\r\nHost: x\r\n")
        await writer.drain()
        answer = asyncio.create_task(reader.readline())
        async with asyncio.timeout(30):
            while not answer.done():
                writer.write(b"X-a: " + b"a" * 1000 + b"\r\n")
                await asyncio.sleep(0.01)
        assert answer.result().startswith(b"HTTP/1.1 431 ")
        writer.close()


async def test_address_with_too_many_connections_gets_503_in_envelope_until_it_closes_some(app: AppFixture) -> None:
    async with limited_api(app, max_per_address=3) as url, httpx.AsyncClient() as client:
        held = [await connect(url) for _ in range(3)]
        refused = await client.get(url.join("/docs"))
        assert (refused.status_code, refused.json()["status"]) == (503, "error")
        assert "too many connections" in refused.json()["data"]["message"]
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        deadline = asyncio.get_running_loop().time() + 10
        while (await client.get(url.join("/docs"))).status_code != 200:
            assert asyncio.get_running_loop().time() < deadline


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return create_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("is_encrypted", [False, True], ids=["http", "https"])
async def test_thousand_silent_connections_of_one_address_do_not_disturb_another(
    rest: RestClient, app: AppFixture, certificate: tuple[Path, Path], is_encrypted: bool
) -> None:
    """Also if they do not even begin with TLS: 50 are held, and only until their time is over."""
    limits = ConnectionLimits(head_timeout_s=2)
    address = ListenAddress("127.0.0.1", 0, connection_limits=limits)
    if is_encrypted:
        address = replace(address, tls_certificate=certificate[0], tls_key=certificate[1])
    async with serve_api(app, address) as base:
        url = httpx.URL(base)
        silent = [await connect(url) for _ in range(1000)]
        context = ssl.create_default_context(cafile=certificate[0])
        transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2", verify=context)
        async with httpx.AsyncClient(transport=transport, headers={"X-Auth-Token": rest.token}) as person:
            response = await person.get(url.join(f"/v2/accounts/{app.account.id}/vmboxes"))
        assert response.status_code == 200
        assert limits.counts["127.0.0.1"] <= limits.max_per_address
        async with asyncio.timeout(30):
            await asyncio.gather(*(reader.read() for reader, _ in silent), return_exceptions=True)
            while limits.counts:
                await asyncio.sleep(0.01)
        for _, writer in silent:
            writer.close()


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":{"x":[' + b"[]," * MAX_JSON_CONTAINERS + b"0]}}",
        b'{"data":{"x":[' + b"{}," * MAX_JSON_CONTAINERS + b"0]}}",
        b'{"data":{"x":[' + b"0," * (MAX_JSON_VALUES + 1) + b"0]}}",
        b"[" * 100_000,
    ],
    ids=["arrays", "objects", "numbers", "depth"],
)
async def test_expensive_json_is_refused_before_it_is_parsed(rest: RestClient, body: bytes) -> None:
    envelope = await rest.request_error(400, "PUT", content=body, headers={"Content-Type": "application/json"})
    assert "too many values" in envelope["data"]["message"]


@pytest.mark.parametrize(
    "settings",
    [
        {f"key{number}": 1 for number in range(1001)},
        {"aliases": [str(number) for number in range(251)]},
        {"aliases": "1," * 251},
        {"numbers": "1," * 10_001},
        {"members": ["a" * 32] * 251},
        {"keys": dict.fromkeys(map(str, range(251)), "1")},
        {"notify_email_addresses": "a@b.example," * 251},
        {"notify_email_address": "a@b.example," * 2000},
        {"notify": {"callback": {"schedule": [60] * 251}}},
        {"name": "x" * 20_001},
    ],
    ids=lambda settings: next(iter(settings)),
)
async def test_settings_that_take_long_to_check_are_refused(rest: RestClient, settings: dict[str, Any]) -> None:
    box_id = await rest.create_box()
    envelope = await rest.request_error(400, "PATCH", f"/{box_id}", settings)
    assert "too " in json.dumps(envelope["data"])


async def test_form_that_takes_long_to_parse_is_refused_with_and_without_a_token(
    rest: RestClient, app: AppFixture, api_url: str
) -> None:
    form: dict[str, Any] = {
        "content": b"name=" + b"%41" * 20_001,
        "headers": {"Content-Type": "application/x-www-form-urlencoded"},
    }
    await rest.request_error(400, "PUT", **form)
    async with httpx.AsyncClient() as stranger:
        response = await stranger.request("DELETE", f"{api_url}/v2/user_auth", **form)
        assert response.status_code == 400
        assert "percent signs" in response.json()["data"]["message"]


async def test_sign_in_body_is_small(app: AppFixture, api_url: str) -> None:
    async with httpx.AsyncClient() as stranger:
        for path in ("user_auth", "api_auth"):
            response = await stranger.put(f"{api_url}/v2/{path}", content=b'{"data":{"api_key":"' + b"a" * 10_000)
            assert response.status_code == 413


async def test_filters_of_a_list_have_few_values(rest: RestClient, app: AppFixture) -> None:
    """Each is compared with each of ten thousand messages, while calls wait for the same processor."""
    box = await app.create_box("1000", app.alice)
    await app.create_message(box)
    for count, status in ((1000, 200), (1001, 400)):
        values = json.dumps(["x"] * count, separators=(",", ":"))
        response = await rest.request("GET", f"/{box.id}/messages", params={"filter_none_call_id": values})
        assert response.status_code == status, response.text


@pytest.mark.parametrize("name", ["filter_key{}", "other{}"], ids=["filters", "parameters"])
async def test_list_takes_few_filters_and_parameters(rest: RestClient, name: str) -> None:
    """Each filter is compared with each message of a mailbox."""
    box_id = await rest.create_box()
    query = "&".join(f"{name.format(number)}=1" for number in range(101))
    for path in (f"/{box_id}/messages?{query}", f"?{query}"):
        envelope = await rest.request_error(400, "GET", path)
        assert "at most" in envelope["data"]["query"]["maxItems"]["message"]
    if name == "other{}":
        envelope = await rest.request_error(400, "POST", f"/{box_id}/messages?{query}", {"messages": ["x"]})
        assert "at most" in envelope["data"]["query"]["maxItems"]["message"]
    await rest.request_ok("GET", f"/{box_id}/messages?" + "&".join(f"a{number}=1" for number in range(99)))
    await rest.request_ok("GET", f"/{box_id}/messages?" + "&".join(["filter_folder=new"] * 20))


@pytest.mark.parametrize("path", ["/v2/unknown", "/v2/user_auth", "/docs"])
async def test_query_of_thousands_of_parameters_is_not_parsed(
    api_url: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("starlette.requests.QueryParams", None)  # Whatever looks at a parameter fails.
    async with httpx.AsyncClient() as stranger:
        response = await stranger.post(f"{api_url}{path}?{'verb=GET&' * 250}", content=b"")
    assert (response.status_code, response.json()["message"]) == (400, "invalid_request")
    assert "250 parameters" in response.json()["data"]["message"]


async def test_bulk_request_names_at_most_ten_thousand_messages(rest: RestClient, app: AppFixture) -> None:
    box = await app.create_box("1000", app.alice)
    ids = ["0" * 8] * 10_001
    for method in ("POST", "DELETE"):
        envelope = await rest.request_error(400, method, f"/{box.id}/messages", {"messages": ids})
        assert envelope["data"]["messages"]["maxItems"]["target"] == 10_000


async def test_request_makes_at_most_ten_thousand_copies(rest: RestClient, app: AppFixture) -> None:
    box = await app.create_box("1000", app.alice)
    for messages, recipients, limit in ((1, 501, 500), (21, 500, 476), (10_000, 2, 1)):
        data = {"messages": ["0" * 8] * messages, "source_id": ["0" * 32] * recipients}
        envelope = await rest.request_error(400, "POST", f"/{box.id}/messages", data)
        assert envelope["data"]["source_id"]["maxItems"]["target"] == limit
    message = await app.create_message(box)
    await rest.request_error(400, "POST", f"/{box.id}/messages/{message.id}", {"source_id": ["0" * 32] * 501})


async def test_work_stops_when_client_closes_connection() -> None:
    steps = 0

    async def receive() -> dict[str, str]:
        if steps < 5:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def work() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    with pytest.raises(ClientDisconnect):
        await run_while_connected(Request({"type": "http"}, receive), work(), check_interval_s=0.01)
    stopped_at = steps
    await asyncio.sleep(0.05)
    assert steps <= stopped_at + 1


@pytest.mark.api_settings(conversion_workers=1, max_waiting_uploads=2)
async def test_uploads_of_one_account_do_not_hold_up_those_of_another(
    rest: RestClient, app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only worker is busy. The fourth upload of an account is told so; another account is served next."""
    worker_is_free, start_worker = asyncio.Event(), converter._start_worker

    async def start_when_free() -> asyncio.subprocess.Process:
        await worker_is_free.wait()
        return await start_worker()

    monkeypatch.setattr(converter, "_start_worker", start_when_free)
    other = await app.container.directory.create_account(Account(name="other", realm="other.example"))
    other_box = await app.container.boxes.create(other, {"name": "Other", "mailbox": "1000"})
    token, _ = await app.container.tokens.create(other.id)
    box_id, finished, pool = await rest.create_box(), list[str](), app.container.conversion_pool

    async def upload(account: str, box: str, token: str) -> httpx.Response:
        url = f"{rest.url}/v2/accounts/{account}/vmboxes/{box}/messages"
        headers = {"X-Auth-Token": token, "Content-Type": "audio/wav"}
        response = await rest.http.put(url, content=tone(200), headers=headers)
        finished.append(account)
        return response

    async def wait_until(running: int, waiting: int) -> None:
        async with asyncio.timeout(30):
            while (pool.running, pool.waiting) != (running, waiting):
                await asyncio.sleep(0.005)

    own = [asyncio.create_task(upload(app.account.id, box_id, rest.token)) for _ in range(3)]
    await wait_until(1, 2)
    refused = await upload(app.account.id, box_id, rest.token)
    assert (refused.status_code, refused.json()["message"]) == (503, "too_many_uploads")
    assert "try again later" in refused.json()["data"]["message"]
    assert int(refused.headers["Retry-After"]) > 0
    others = asyncio.create_task(upload(other.id, other_box.id, token))
    await wait_until(1, 3)
    worker_is_free.set()
    assert [response.status_code for response in await asyncio.gather(*own, others)] == [201] * 4
    assert finished.index(other.id) == 2, "after the refused one, and the one that ran"


def mp3_with_picture(tmp_path: Path, pixels: int) -> bytes:
    """Return an MP3 with an attached PNG of so many pixels in width and height, all black."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    deflate = zlib.compressobj(1)
    row = bytes(1 + 3 * pixels)
    image = b"".join(deflate.compress(row) for _ in range(pixels)) + deflate.flush()
    size = pixels.to_bytes(4, "big")
    header = chunk(b"IHDR", size + size + b"\x08\x02\x00\x00\x00")
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", image) + chunk(b"IEND", b"")
    frame = b"\x00image/png\x00\x03\x00" + png
    tag = b"APIC" + len(frame).to_bytes(4, "big") + b"\x00\x00" + frame
    tag_size = bytes((len(tag) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + tag_size + tag + encode_audio(tmp_path, ".mp3")


def test_pictures_in_audio_are_not_decoded(tmp_path: Path) -> None:
    """The picture has 192 MB when it is decoded; ffmpeg takes less for the sound alone."""
    upload = tmp_path / "upload.mp3"
    upload.write_bytes(mp3_with_picture(tmp_path, 8000))
    program = (
        "import pathlib, resource, sys; from ivr.audio import telephony_formats, worker;"
        " worker.decode_to_recording(sys.argv[1], sys.argv[2], 60);"
        " telephony_formats.decode(pathlib.Path(sys.argv[1]));"
        " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", program, str(upload), str(tmp_path / "recording.wav")]
    peak_kb = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert peak_kb < 150_000


async def test_request_log_names_client_and_token(rest: RestClient, app: AppFixture) -> None:
    with capture_logs() as logs:
        await rest.request("GET", "/%1b[31m")
        await rest.request("GET", headers={"X-Auth-Token": "wrong"})
    first, second = [line for line in logs if line["event"] == "request"]
    assert first["client"] == second["client"] == "127.0.0.1"
    assert rest.token not in str(logs)
    assert len(first["token"]) > 4
    assert second["token"] is None
    assert "\x1b" not in first["path"]


async def test_every_response_forbids_framing_and_sniffing(rest: RestClient, api_url: str) -> None:
    for url in (rest.base, f"{rest.base}/nothing", f"{api_url}/docs", f"{api_url}/openapi.json"):
        headers = (await rest.http.get(url)).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
    for malformed in (b"nothing\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):  # Refused before there is a request.
        reader, writer = await connect(httpx.URL(api_url), malformed)
        head, _, _ = (await asyncio.wait_for(reader.read(), 30)).lower().partition(b"\r\n\r\n")
        writer.close()
        for header in (b"x-frame-options: deny", b"x-content-type-options: nosniff", b"frame-ancestors 'none'"):
            assert header in head, malformed
