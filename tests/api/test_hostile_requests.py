"""Malformed and hostile requests: an error in the envelope, nothing half stored, bounded memory."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from structlog.testing import capture_logs

from ivr.api.asgi import build_asgi_app
from ivr.audio import wav
from ivr.mailbox.mailbox import Mailbox
from tests.api.conftest import RestClient, data_files, encode_audio, tone
from tests.api.test_audio import BOUNDARY, JSON, MIXED, multipart, multipart_part, rendition_paths
from tests.support.app_fixture import AppFixture

AUDIO = {"Content-Type": "audio/mpeg"}


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


@pytest.fixture
def files_before(app: AppFixture) -> set[str]:
    return data_files(app)


async def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds; raises `TimeoutError` after 30 s."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


# -- documents ---------------------------------------------------------------------------------------------------------

INVALID_JSON = [
    b"{", b"[1]", b"null", b'"x"', b"12", b"{'data': {}}", b'{"data": {"name": NaN}}',
    b'{"data": {"name": 1e999}}', b'{"data": {"n": -Infinity}}', b'\xff\xfe{"data": {}}',
    b'{"data": {"name": "\\ud800"}}', b'{"data": {"name": "\xed\xa0\x80"}}',
    r'{"data": {"name": "\ud800"}}'.encode("utf-16"), b'{"data": {"x": ' + b"9" * 5000 + b"}}",
]  # fmt: skip
BODIES_WITHOUT_DATA = [b"", b"   ", b'{"data": []}', b'{"data": "x"}', b'{"data": null}', b'{"date": {}}']


@pytest.mark.parametrize("body", [*INVALID_JSON, *BODIES_WITHOUT_DATA])
async def test_body_without_envelope_is_rejected(rest: RestClient, body: bytes) -> None:
    envelope = await rest.request_error(400, "PUT", content=body, headers={"Content-Type": "application/json"})
    if body in BODIES_WITHOUT_DATA:
        assert (envelope["message"], list(envelope["data"])) == ("validation error", ["data"])
    else:
        assert (envelope["message"], list(envelope["data"])) == ("invalid_request", ["message"])
    assert (await rest.request_ok("GET"))["data"] == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"data": {"a": ' * 10_000 + b"1" + b"}}" * 10_000,
        b'{"data": {"name": "x", "mailbox": "1", "deep": ' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}}",
        b"[" * 100_000,
    ],
)
async def test_deeply_nested_json_is_rejected(rest: RestClient, body: bytes) -> None:
    envelope = await rest.request_error(400, "PUT", content=body)
    assert envelope["message"] == "invalid_request"
    assert (await rest.request_ok("GET"))["data"] == []


async def test_json_body_is_recognised_whatever_its_content_type(rest: RestClient) -> None:
    body = json.dumps({"data": {"name": "x", "mailbox": "1"}}).encode()
    for n, kind in enumerate(("application/x-www-form-urlencoded", "text/plain", "application/json", "audio/mpeg", "")):
        sent = body.replace(b'"1"', f'"{n}"'.encode())
        assert (await rest.request("PUT", content=sent, headers={"Content-Type": kind})).status_code == 201
    form = await rest.request(
        "PUT", content=b"name=Form&mailbox=77", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert form.json()["data"]["name"] == "Form"


@pytest.mark.parametrize("field", ["data", "data[caller_id_name]"])
async def test_form_that_wraps_its_members_is_rejected(rest: RestClient, box: Mailbox, field: str) -> None:
    sent, headers = f"{quote(field)}=x".encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    for path, method in (("", "PUT"), (f"/{box.id}", "PATCH"), (f"/{box.id}/messages", "PUT")):
        envelope = await rest.request_error(400, method, path, content=sent, headers=headers)
        assert field in envelope["data"]["message"]
    assert (await rest.request_ok("GET", f"/{box.id}/messages"))["data"] == []


async def test_unsupported_content_type_is_rejected(rest: RestClient, box: Mailbox) -> None:
    for path, method in (("", "PUT"), (f"/{box.id}", "PATCH"), (f"/{box.id}/messages", "PUT")):
        envelope = await rest.request_error(
            415, method, path, content=b"hello there", headers={"Content-Type": "text/plain"}
        )
        assert envelope["message"] == "unsupported_media_type"


@pytest.mark.api_settings(max_json_bytes=10_000)
async def test_json_body_over_limit_is_rejected(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    body = json.dumps({"data": {"name": "x" * 10_001, "mailbox": "1"}}).encode()
    for path, method in (("", "PUT"), (f"/{box.id}/messages", "PUT")):
        envelope = await rest.request_error(413, method, path, content=body)
        assert envelope["data"]["file"]["maxSize"]["target"] == 10_000

    async def endless() -> object:
        for _ in range(15):
            yield b" " * 1000

    assert (await rest.request("PUT", content=endless())).status_code == 413


# -- uploads -----------------------------------------------------------------------------------------------------------


@pytest.mark.api_settings(max_audio_bytes=100_000, max_json_bytes=10_000)
async def test_audio_over_limit_is_rejected(
    rest: RestClient, app: AppFixture, box: Mailbox, files_before: set[str]
) -> None:
    large = tone(10_000)
    message = await rest.upload_message(box.id)
    both = multipart(multipart_part(JSON, "application/json"), multipart_part(large, "audio/wav"))
    for headers, content in ((AUDIO, large), (MIXED, both), (AUDIO, large + bytes(10_000_000))):
        for path in (f"/{box.id}/messages", f"/{box.id}/messages/{message['media_id']}/raw"):
            envelope = await rest.request_error(413, "PUT", path, content=content, headers=headers)
            assert envelope["message"] == "too_large"
            assert "maxSize" in envelope["data"]["file"]
    assert data_files(app) == files_before
    assert len(await app.messages(box)) == 1


INVALID_AUDIO = {
    "text": b"I am a song" * 50,
    "html": b"<html>" * 50, "elf": b"\x7fELF" + bytes(500), "zip": b"PK\x03\x04" + bytes(500),
    "nothing": bytes(1000), "noise": os.urandom(1000), "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "concat": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "riff without a song": b"RIFF\x00\x00\x00\x00WAVE" + bytes(100),
    "an id3 tag alone": b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"x" * 500, "ogg of nothing": b"OggS" + bytes(500),
    "mp4 of nothing": b"\x00\x00\x00\x18ftypM4A " + bytes(500),
    "wav cut short": tone()[:40], "wav of no samples": wav.header(0),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "sdp": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", INVALID_AUDIO)
async def test_invalid_audio_file_is_rejected(
    rest: RestClient, app: AppFixture, box: Mailbox, files_before: set[str], kind: str
) -> None:
    content = INVALID_AUDIO[kind]
    envelope = await rest.request_error(400, "PUT", f"/{box.id}/messages", content=content, headers=AUDIO)
    assert (envelope["message"], list(envelope["data"]["file"])) == ("validation error", ["wrong_format"])
    body = multipart(multipart_part(JSON, "application/json"), multipart_part(content, "audio/mpeg"))
    await rest.request_error(400, "PUT", f"/{box.id}/messages", content=body, headers=MIXED)
    assert await app.messages(box) == []
    assert data_files(app) == files_before


def sample_rate_bomb() -> bytes:
    """Return a WAV of 2 MB with one sample per second: three weeks of audio."""
    data = bytes(2_000_000)
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack(
        "<IHHIIHH", 16, 1, 1, 1, 2, 2, 16
    ) + b"data" + struct.pack("<I", len(data)) + data  # fmt: skip


def compressed_silence(s: int, folder: Path) -> bytes:
    """Return a small Opus file that decodes to `s` seconds."""
    target = folder / "silence.ogg"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", str(s)]
    subprocess.run([*command, "-c:a", "libopus", "-b:a", "6k", str(target)], check=True)
    return target.read_bytes()


@pytest.mark.api_settings(max_audio_s=60)
async def test_audio_bombs_are_rejected_cheaply(
    rest: RestClient, app: AppFixture, box: Mailbox, files_before: set[str], tmp_path: Path
) -> None:
    hours = await asyncio.to_thread(compressed_silence, 100, tmp_path)
    assert len(hours) < 100_000
    tracemalloc.start()
    for content in (sample_rate_bomb(), hours):
        envelope = await rest.request_error(400, "PUT", f"/{box.id}/messages", content=content, headers=AUDIO)
        assert "longer than 60 s" in envelope["data"]["file"]["wrong_format"]["message"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000_000
    assert data_files(app) == files_before


async def test_hanging_conversion_worker_is_replaced(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    app.container.conversion_pool.timeout_s = 0.0
    await rest.request_error(400, "PUT", f"/{box.id}/messages", content=tone(), headers=AUDIO)
    app.container.conversion_pool.timeout_s = 60.0
    await rest.request_ok("PUT", f"/{box.id}/messages", content=tone(), headers=AUDIO)


async def test_large_upload_uses_little_memory(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    content = tone(1000 * 60 * 10)
    message = await rest.upload_message(box.id)

    async def pieces() -> object:
        for n in range(0, len(content), 1 << 16):
            yield content[n : n + (1 << 16)]

    tracemalloc.start()
    path = f"/{box.id}/messages/{message['media_id']}/raw"
    response = await rest.request("PUT", path, content=pieces(), headers={"Content-Type": "audio/wav"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.json()["data"]["length"] == 600_000
    assert peak < 6_000_000


@pytest.mark.parametrize("content_type", ["audio/wav", "application/json", "text/plain"])
async def test_blanks_in_front_of_an_upload_are_not_collected(
    rest: RestClient, box: Mailbox, files_before: set[str], content_type: str
) -> None:
    async def blanks() -> object:
        for _ in range(128):
            yield b" " * (1 << 16)

    tracemalloc.start()
    headers = {"Content-Type": content_type}
    response = await rest.request("PUT", f"/{box.id}/messages", content=blanks(), headers=headers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code in (400, 413, 415)
    assert peak < 6_000_000
    assert data_files(rest.app) == files_before


BROKEN_MULTIPART = {
    "no end": multipart(multipart_part(tone(), "audio/wav"), end=False),
    "nothing": b"",
    "no boundary inside": b"hello",
    "many parts": multipart(*(multipart_part(b"", "text/plain") for _ in range(50))),
    "two of json": multipart(multipart_part(JSON, "application/json"), multipart_part(JSON, "application/json")),
    "json that is none": multipart(multipart_part(b'{"data": ', "application/json")),
    "text as json": multipart(multipart_part(b"caller", "application/json"), multipart_part(tone(), "audio/wav")),
    "list as json": multipart(multipart_part(b"[]", "application/json"), multipart_part(tone(), "audio/wav")),
    "empty json": multipart(multipart_part(b"", "application/json"), multipart_part(tone(), "audio/wav")),
    "json without data": multipart(multipart_part(b"{}", "application/json"), multipart_part(tone(), "audio/wav")),
    "a header without end": f"--{BOUNDARY}\r\nA: ".encode() + b"x" * 100_000,
    "many headers": f"--{BOUNDARY}\r\n".encode() + b"A: b\r\n" * 10_000 + b"\r\n",
}


@pytest.mark.parametrize("kind", BROKEN_MULTIPART)
async def test_unreadable_multipart_is_rejected(
    rest: RestClient, app: AppFixture, box: Mailbox, files_before: set[str], kind: str
) -> None:
    await rest.request_error(400, "PUT", f"/{box.id}/messages", content=BROKEN_MULTIPART[kind], headers=MIXED)
    assert await app.messages(box) == []
    assert data_files(app) == files_before


async def test_multipart_without_boundary_is_rejected(rest: RestClient, box: Mailbox) -> None:
    for kind in ("multipart/mixed", "multipart/mixed; boundary=", f"multipart/mixed; boundary={'x' * 300}"):
        await rest.request_error(400, "PUT", f"/{box.id}/messages", content=b"x", headers={"Content-Type": kind})


async def test_filename_with_path_parts_cannot_escape_folder(
    rest: RestClient, app: AppFixture, box: Mailbox, files_before: set[str]
) -> None:
    body = multipart(
        multipart_part(tone(), "audio/wav", "../../../../tmp/evil"), multipart_part(JSON, "application/json")
    )
    message = (
        await rest.request_ok("PUT", f"/{box.id}/messages?filename=../../evil.wav", content=body, headers=MIXED)
    )["data"]
    assert data_files(app) - files_before == {
        f"{box.account_id}/vm/{message['media_id']}{ending}" for ending in (".wav", ".upload")
    }
    for evil in ("..%2F..%2Fivr.db", "%2e%2e", "x%00y", "%ff", "a" * 5000):
        for path in (f"/{evil}", f"/{box.id}/messages/{evil}", f"/{box.id}/messages/{evil}/raw"):
            assert (await rest.request("GET", path)).status_code == 404


async def test_client_disconnect_during_upload_leaves_no_files(
    rest: RestClient, app: AppFixture, box: Mailbox, files_before: set[str]
) -> None:
    url = httpx.URL(rest.base)
    for kind, start in (
        ("audio/wav", tone()),
        (f"multipart/mixed; boundary={BOUNDARY}", multipart(multipart_part(tone(), "audio/wav"), end=False)),
    ):
        head = (
            f"PUT {url.path}/{box.id}/messages HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {rest.token}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: 5000000\r\n\r\n"
        )
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(head.encode() + start)
        await writer.drain()
        await wait_until(lambda: data_files(app) != files_before)
        with capture_logs() as logged:
            writer.close()
            await writer.wait_closed()
            await wait_until(lambda: any(line["event"] == "request" for line in logged))
        assert [line["event"] for line in logged] == ["request.client_disconnected", "request"]
        assert data_files(app) == files_before
    assert await app.messages(box) == []


@pytest.mark.api_settings(body_idle_timeout_s=0.2)
async def test_stalled_upload_times_out(
    rest: RestClient, app: AppFixture, box: Mailbox, files_before: set[str]
) -> None:
    url = httpx.URL(rest.base)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = (
        f"PUT {url.path}/{box.id}/messages HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {rest.token}\r\n"
        "Content-Type: audio/wav\r\nContent-Length: 5000000\r\n\r\n"
    )
    writer.write(head.encode() + tone())
    response = (await asyncio.wait_for(reader.readuntil(b'"status":"error"}'), 30)).decode()
    assert response.startswith("HTTP/1.1 408 ")
    assert "request_timeout" in response
    writer.close()
    await writer.wait_closed()
    assert data_files(app) == files_before


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("HTTP/1.1", 400),
        ("HTTP/1.1\r\nHost: x\r\nHost: x", 400),
        ("HTTP/1.0\r\nHost: x\r\nHost: y", 400),
        ("HTTP/1.0", 200),
        ("HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nauthorization: Bearer a", 400),
        ("HTTP/1.1\r\nHost: x\r\nX-Auth-Token: a\r\nX-Auth-Token: b", 400),
        ("HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nOrigin: http://y", 400),
    ],
)
async def test_request_names_host_token_and_origin_once(api_url: str, head: str, status: int) -> None:
    url = httpx.URL(api_url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"GET /docs {head}\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert answer.split()[1] == str(status).encode()
    writer.close()


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        ("X-Auth-Token: \t {token}\t ", "", 200),
        ("Authorization: Bearer  {token} ", "", 200),
        ("Authorization:\t{token}", "", 200),
        ("X-Auth-Token: {token}\xa0", "", 401),
        ("Authorization: \xa0{token}", "", 401),
        ('X-Auth-Token: "{token}"', "", 401),
        ("X-Auth-Token: {token}, {token}", "", 401),
        ("X-Auth-Token: {token}\0", "", 400),
        ("X-Auth-Token: {token}" + "a" * 60_000, "", 401),
        ("X_Auth_Token: {token}", "", 401),
        ("Transfer-Encoding: chunked", "0\r\nX-Auth-Token: {token}\r\n\r\n", 401),
        ("Transfer-Encoding: chunked", "0\r\nAuthorization: Bearer {token}\r\n\r\n", 401),
    ],
)
async def test_token_is_one_header_of_the_head_and_nothing_else(
    rest: RestClient, head: str, body: str, status: int
) -> None:
    """Behind a body (as a trailer) a token, an address or an origin passes by every proxy in front."""
    url = httpx.URL(rest.base)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    text = f"GET {url.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n\r\n{body}"
    writer.write(text.replace("{token}", rest.token).encode("latin-1"))
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert answer.split()[1] == str(status).encode()


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: , chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding:",
    ],
)
async def test_request_with_two_lengths_is_refused_and_nothing_behind_it_is_read(
    rest: RestClient, lengths: bytes
) -> None:
    url = httpx.URL(rest.base)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        b"POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + lengths + b"\r\n\r\n0\r\n\r\n"
        b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    answers = await asyncio.wait_for(reader.read(), 30)
    assert answers.startswith(b"HTTP/1.1 400 ")
    assert answers.count(b"HTTP/1.1 ") == 1
    writer.close()
    await writer.wait_closed()


async def test_failed_insert_leaves_no_file(
    rest: RestClient, app: AppFixture, box: Mailbox, files_before: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    converted = app.container.api_services.audio.uploads.convert

    async def convert_and_delete_box(account_id: str, upload: Path) -> object:
        result = await converted(account_id, upload)
        await app.container.boxes.delete(box)
        return result

    monkeypatch.setattr(app.container.api_services.audio.uploads, "convert", convert_and_delete_box)
    await rest.request_error(404, "PUT", f"/{box.id}/messages", content=tone(), headers=AUDIO)
    assert data_files(app) == files_before


async def test_concurrent_audio_replacements_leave_one_complete(
    rest: RestClient, app: AppFixture, box: Mailbox, tmp_path: Path
) -> None:
    message = await rest.upload_message(box.id)
    contents = [encode_audio(tmp_path, ".mp3", 500 * n) for n in (1, 2, 3)]
    path = f"/{box.id}/messages/{message['media_id']}/raw"
    responses = await asyncio.gather(*(rest.request("PUT", path, content=one, headers=AUDIO) for one in contents))
    assert {response.status_code for response in responses} == {201}
    recording, upload = await rendition_paths(app, message["media_id"], box)
    stored = await app.container.messages.get(box.id, message["media_id"], 0)
    last = contents.index(upload.read_bytes())
    assert abs(stored.length_ms - 500 * (last + 1)) < 150
    assert wav.length_ms(recording) == stored.length_ms
    assert stored.bytes == recording.stat().st_size + upload.stat().st_size


# -- internal errors ---------------------------------------------------------------------------------------------------


async def test_internal_error_response_has_no_traceback(
    rest: RestClient, app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(app.container.api_services.mailbox.lists, "list_boxes", broken)
    with capture_logs() as logged:
        response = await rest.request("GET")
    envelope = response.json()
    assert [line["request"] for line in logged if line["event"] == "request.failed"] == [envelope["request_id"]]
    assert (response.status_code, envelope["message"]) == (500, "unspecified_fault")
    assert "secret" not in response.text
    assert envelope["request_id"] == response.headers["x-request-id"]


@pytest.mark.sqlite_only
async def test_locked_database_is_service_unavailable(rest: RestClient, app: AppFixture) -> None:
    import sqlite3

    other = sqlite3.connect(app.settings.data.folder / "state" / "ivr.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    envelope = await rest.request_error(503, "PUT", data={"name": "x", "mailbox": "1"})
    assert envelope["message"] == "datastore_unreachable"
    other.close()
    await rest.create_box("1")


async def test_api_serves_others_during_slow_upload(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    url = httpx.URL(rest.base)
    with socket.create_connection((url.host, url.port or 80)) as slow:
        slow.sendall(f"PUT {url.path}/{box.id}/messages HTTP/1.1\r\nHost: x\r\n".encode())
        began = time.monotonic()
        for _ in range(20):
            await rest.request_ok("GET")
        assert time.monotonic() - began < 10


async def test_openapi_document_needs_neither_server_nor_token(app: AppFixture) -> None:
    transport = httpx.ASGITransport(build_asgi_app(app.container.api_services))
    async with httpx.AsyncClient(transport=transport, base_url="http://ivr") as anonymous:
        document = (await anonymous.get("/openapi.json")).json()
    assert "patch" in document["paths"]["/v2/accounts/{account_id}/vmboxes/{box_id}"]


async def test_upload_left_by_crash_is_removed_at_next_start(app: AppFixture) -> None:
    old, young = (app.container.recordings.incoming_folder / name for name in ("a" * 32, "b" * 32))
    for path, age_s in ((old, 7200), (young, 10)):
        path.write_bytes(b"x")
        os.utime(path, (app.clock.now() - age_s,) * 2)
    app.container.api_services.audio.uploads.remove_stale_drafts()
    assert (old.exists(), young.exists()) == (False, True)
