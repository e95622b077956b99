"""The REST door of a small installation, on a real socket."""

from __future__ import annotations

import math
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ivr.api.asgi import build_asgi_app
from ivr.api.server import ApiServer, ListenAddress
from ivr.audio import wav
from tests.support.app_fixture import AppFixture


class RestClient:
    """A program with a token; paths begin behind `/v2/accounts/{account}/vmboxes`."""

    def __init__(self, app: AppFixture, url: str, token: str) -> None:
        self.app = app
        self.url = url
        self.token = token
        self.base = f"{url}/v2/accounts/{app.account.id}/vmboxes"
        self.http = httpx.AsyncClient(headers={"X-Auth-Token": token}, timeout=60)

    async def request(self, method: str, path: str = "", data: Any = None, **options: Any) -> httpx.Response:
        """Any answer."""
        if data is not None:
            options["json"] = {"data": data}
        return await self.http.request(method, f"{self.base}{path}", **options)

    async def request_ok(self, method: str, path: str = "", data: Any = None, **how: Any) -> dict[str, Any]:
        """The envelope of a success."""
        answer = await self.request(method, path, data, **how)
        assert answer.is_success, answer.text
        envelope: dict[str, Any] = answer.json()
        assert envelope["status"] == "success"
        return envelope

    async def request_error(
        self, status: int, method: str, path: str = "", data: Any = None, **how: Any
    ) -> dict[str, Any]:
        """The envelope of a refusal with that status."""
        answer = await self.request(method, path, data, **how)
        assert answer.status_code == status, answer.text
        envelope: dict[str, Any] = answer.json()
        assert (envelope["status"], envelope["error"]) == ("error", str(status))
        assert envelope["request_id"]
        return envelope

    async def create_box(self, number: str = "1000", **settings: Any) -> str:
        """A box made by REST; its id."""
        made = await self.request_ok("PUT", data={"name": f"Box {number}", "mailbox": number, **settings})
        return str(made["data"]["id"])

    async def upload_message(self, box_id: str, audio: bytes | None = None, **fields: Any) -> dict[str, Any]:
        """A message brought by REST."""
        details = {name.rstrip("_"): value for name, value in fields.items()}
        made = await self.request_ok("PUT", f"/{box_id}/messages", details)
        if audio is not None:
            path = f"/{box_id}/messages/{made['data']['media_id']}/raw"
            made = await self.request_ok("PUT", path, content=audio, headers={"Content-Type": "audio/x-wav"})
        data: dict[str, Any] = made["data"]
        return data

    async def with_token(self, token: str) -> RestClient:
        """The same door with another token."""
        return RestClient(self.app, self.url, token)


@pytest.fixture
async def api_url(app: AppFixture) -> AsyncIterator[str]:
    """Where it listens."""
    app.container.api_services.renditions.clear()
    server = ApiServer(build_asgi_app(app.container.api_services), ListenAddress("127.0.0.1", 0))
    yield await server.start()
    await server.stop()
    await app.container.stop_workers()


@pytest.fixture
async def rest(app: AppFixture, api_url: str) -> AsyncIterator[RestClient]:
    """A program with a token for the whole account."""
    token, _ = await app.container.tokens.create(app.account.id)
    rest = RestClient(app, api_url, token)
    yield rest
    await rest.http.aclose()


@pytest.fixture
async def alice_rest(app: AppFixture, api_url: str) -> AsyncIterator[RestClient]:
    """A program with a token for alice's boxes."""
    token, _ = await app.container.tokens.create(app.account.id, app.alice.id)
    rest = RestClient(app, api_url, token)
    yield rest
    await rest.http.aclose()


def tone(ms: int = 1000, hz: int = 440) -> bytes:
    """A WAV of our form."""
    count = ms * wav.SAMPLES_PER_MS
    pcm = struct.pack(f"<{count}h", *(int(8000 * math.sin(2 * math.pi * hz * n / 8000)) for n in range(count)))
    return wav.header(len(pcm)) + pcm


def encode_audio(tmp_path: Path, extension: str, ms: int = 1000, *options: str) -> bytes:
    """A tone as ffmpeg writes it with such a name: .mp3, .ogg, .m4a, .wav."""
    source, target = tmp_path / "tone.wav", tmp_path / f"encoded{extension}"
    source.write_bytes(tone(ms))
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(source), *options, str(target)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return target.read_bytes()


def data_files(app: AppFixture) -> set[str]:
    """All files of the data folder but the database, by their paths in it."""
    folder = app.settings.data.folder
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and "ivr.db" not in path.name}
