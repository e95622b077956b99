"""HEAD, as any HTTP client expects it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.api import ranges
from ivr.mailbox.store import MediaKind
from tests.api.conftest import Rest
from tests.support.house import House


async def test_head_says_what_get_would_without_its_body(rest: Rest, house: House) -> None:
    box = await house.box("1000", house.alice)
    box = await house.uses(box, MediaKind.UNAVAILABLE)
    message = f"/{box.id}/messages/{(await house.message(box)).id}"
    for path in ("", "/messages", f"/{box.id}", f"/{box.id}/messages", message, f"{message}/raw",
                 f"/{box.id}/greetings/unavailable/raw"):  # fmt: skip
        get, head = await rest.ask("GET", path), await rest.ask("HEAD", path)
        assert (head.status_code, head.content) == (200, b""), path
        for name in ("content-type", "content-length", "etag"):
            assert head.headers[name] == get.headers[name], path
        same = await rest.ask("HEAD", path, headers={"If-None-Match": get.headers["etag"]})
        assert same.status_code == 304, path
    whole = await rest.ask("HEAD", f"{message}/raw", headers={"Range": "bytes=0-9"})
    assert (whole.status_code, int(whole.headers["content-length"]) > 10) == (200, True)


async def test_head_is_refused_as_get_is(rest: Rest, house: House, server: str) -> None:
    assert (await rest.ask("HEAD", "/nothing")).status_code == 404
    assert (await rest.ask("HEAD", "", headers={"X-Auth-Token": "wrong"})).status_code == 401
    refused = await rest.http.head(f"{server}/v2/user_auth")
    assert (refused.status_code, refused.headers["allow"]) == (405, "PUT")
    for path in ("/docs", "/openapi.json"):
        assert (await rest.http.head(f"{server}{path}")).status_code == 200


async def test_head_reads_no_audio(rest: Rest, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    box = await house.box("1000", house.alice)
    message = await house.message(box)
    opened: list[Path] = []
    monkeypatch.setattr(ranges, "_opened", lambda path: opened.append(path))
    await rest.ask("HEAD", f"/{box.id}/messages/{message.id}/raw", headers={"Accept": "audio/wav"})
    assert opened == []
