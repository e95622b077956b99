"""Fixtures for the REST API: a server on a real socket, and clients with tokens."""

from __future__ import annotations

import math
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from ivr.api.asgi import build_asgi_app
from ivr.api.server import ApiServer, ListenAddress
from ivr.audio import wav
from tests.support.app_fixture import AppFixture


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "api_settings(**settings): settings of section [api] for this test")


class RestClient:
    """An HTTP client with a token. Paths are relative to `/v2/accounts/{account}/vmboxes`."""

    def __init__(self, app: AppFixture, url: str, token: str) -> None:
        self.app = app
        self.url = url
        self.token = token
        self.base = f"{url}/v2/accounts/{app.account.id}/vmboxes"
        self.http = httpx.AsyncClient(
            headers={"X-Auth-Token": token}, timeout=60, verify=False
        )  # no certificates are loaded

    async def request(self, method: str, path: str = "", data: Any = None, **options: Any) -> httpx.Response:
        """Send a request with `data` in the envelope, if there is any."""
        if data is not None:
            options["json"] = {"data": data}
        return await self.http.request(method, f"{self.base}{path}", **options)

    async def request_ok(self, method: str, path: str = "", data: Any = None, **options: Any) -> dict[str, Any]:
        """Send a request that must succeed, and return the envelope of the response."""
        response = await self.request(method, path, data, **options)
        assert response.is_success, response.text
        envelope: dict[str, Any] = response.json()
        assert envelope["status"] == "success"
        return envelope

    async def request_error(
        self, status: int, method: str, path: str = "", data: Any = None, **options: Any
    ) -> dict[str, Any]:
        """Send a request that must fail with `status`, and return the envelope of the response."""
        response = await self.request(method, path, data, **options)
        assert response.status_code == status, response.text
        envelope: dict[str, Any] = response.json()
        assert (envelope["status"], envelope["error"]) == ("error", str(status))
        assert envelope["request_id"]
        return envelope

    async def create_box(self, number: str = "1000", **settings: Any) -> str:
        """Create a box by REST, and return its id."""
        created = await self.request_ok("PUT", data={"name": f"Box {number}", "mailbox": number, **settings})
        return str(created["data"]["id"])

    async def upload_message(self, box_id: str, audio: bytes | None = None, **fields: Any) -> dict[str, Any]:
        """Create a message by REST, without audio or with WAV audio, and return its document."""
        details = {name.rstrip("_"): value for name, value in fields.items()}
        created = await self.request_ok("PUT", f"/{box_id}/messages", details)
        if audio is not None:
            path = f"/{box_id}/messages/{created['data']['media_id']}/raw"
            created = await self.request_ok("PUT", path, content=audio, headers={"Content-Type": "audio/x-wav"})
        data: dict[str, Any] = created["data"]
        return data

    async def with_token(self, token: str) -> RestClient:
        """Return a client of the same server with another token."""
        return RestClient(self.app, self.url, token)


@asynccontextmanager
async def serve_api(app: AppFixture, address: ListenAddress | None = None, **limits: Any) -> AsyncIterator[str]:
    """Serve the API, with other `ApiLimits` if there are any; yields its URL."""
    services = app.container.api_services
    services = replace(services, limits=replace(services.limits, **limits))
    services.audio.renditions.clear()
    server = ApiServer(build_asgi_app(services), address or ListenAddress("127.0.0.1", 0))
    try:
        yield await server.start()
    finally:
        await server.stop()


@asynccontextmanager
async def serve_client(app: AppFixture, token: str, **limits: Any) -> AsyncIterator[RestClient]:
    """Serve the API with these `ApiLimits`; yields a client with `token`."""
    async with serve_api(app, **limits) as url:
        client = RestClient(app, url, token)
        yield client
        await client.http.aclose()


@pytest.fixture
async def app(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AppFixture]:
    """An installation with the settings of the marker `api_settings`."""
    marker = request.node.get_closest_marker("api_settings")
    app = await AppFixture(tmp_path / "data", api=marker.kwargs if marker else {}).open()
    yield app
    app.close()


@pytest.fixture
async def api_url(app: AppFixture) -> AsyncIterator[str]:
    """The URL of the served API."""
    async with serve_api(app) as url:
        yield url
    await app.container.conversion_pool.close()


@pytest.fixture
async def rest(app: AppFixture, api_url: str) -> AsyncIterator[RestClient]:
    """A client with a token for the whole account."""
    token, _ = await app.container.tokens.create(app.account.id)
    rest = RestClient(app, api_url, token)
    yield rest
    await rest.http.aclose()


@pytest.fixture
async def alice_rest(app: AppFixture, api_url: str) -> AsyncIterator[RestClient]:
    """A client with a token for alice's boxes."""
    token, _ = await app.container.tokens.create(app.account.id, app.alice.id)
    rest = RestClient(app, api_url, token)
    yield rest
    await rest.http.aclose()


def tone(ms: int = 1000, hz: int = 440) -> bytes:
    """Return a tone as a WAV of 8 kHz, mono, 16 bits."""
    count = ms * wav.SAMPLES_PER_MS
    pcm = struct.pack(f"<{count}h", *(int(8000 * math.sin(2 * math.pi * hz * n / 8000)) for n in range(count)))
    return wav.header(len(pcm)) + pcm


def encode_audio(tmp_path: Path, extension: str, ms: int = 1000, *options: str) -> bytes:
    """Return a tone in the format of an extension: .mp3, .ogg, .m4a or .wav. `options`: of ffmpeg."""
    source, target = tmp_path / "tone.wav", tmp_path / f"encoded{extension}"
    source.write_bytes(tone(ms))
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(source), *options, str(target)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return target.read_bytes()


def data_files(app: AppFixture) -> set[str]:
    """Return the relative paths of all files in the data folder except the database and the locks of processes."""
    folder = app.settings.data.folder
    files = [path for path in folder.rglob("*") if path.is_file() and "ivr.db" not in path.name]
    return {str(path.relative_to(folder)) for path in files if path.parent.name != "locks"}
