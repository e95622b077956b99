"""HEAD, as any HTTP client expects it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.api import ranges
from ivr.storage.records import MediaKind
from tests.api.conftest import RestClient
from tests.support.app_fixture import AppFixture


async def test_head_returns_headers_of_get_without_body(rest: RestClient, app: AppFixture) -> None:
    box = await app.create_box("1000", app.alice)
    box = await app.activate_recordings(box, MediaKind.UNAVAILABLE)
    message = f"/{box.id}/messages/{(await app.create_message(box)).id}"
    for path in ("", "/messages", f"/{box.id}", f"/{box.id}/messages", message, f"{message}/raw",
                 f"/{box.id}/greetings/unavailable/raw"):  # fmt: skip
        get, head = await rest.request("GET", path), await rest.request("HEAD", path)
        assert (head.status_code, head.content) == (200, b""), path
        for name in ("content-type", "content-length", "etag"):
            assert head.headers[name] == get.headers[name], path
        same = await rest.request("HEAD", path, headers={"If-None-Match": get.headers["etag"]})
        assert same.status_code == 304, path
    whole = await rest.request("HEAD", f"{message}/raw", headers={"Range": "bytes=0-9"})
    assert (whole.status_code, int(whole.headers["content-length"]) > 10) == (200, True)


async def test_head_is_rejected_like_get(rest: RestClient, app: AppFixture, api_url: str) -> None:
    assert (await rest.request("HEAD", "/nothing")).status_code == 404
    assert (await rest.request("HEAD", "", headers={"X-Auth-Token": "wrong"})).status_code == 401
    refused = await rest.http.head(f"{api_url}/v2/user_auth")
    assert (refused.status_code, refused.headers["allow"]) == (405, "PUT")
    for path in ("/docs", "/openapi.json"):
        assert (await rest.http.head(f"{api_url}{path}")).status_code == 200


async def test_head_reads_no_audio(rest: RestClient, app: AppFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    box = await app.create_box("1000", app.alice)
    message = await app.create_message(box)
    opened: list[Path] = []
    monkeypatch.setattr(ranges, "_open_audio_file", lambda path: opened.append(path))
    await rest.request("HEAD", f"/{box.id}/messages/{message.id}/raw", headers={"Accept": "audio/wav"})
    assert opened == []
