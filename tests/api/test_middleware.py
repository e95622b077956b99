"""HEAD requests, and requests that name another method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from ivr.api.audio_headers import audio_response
from ivr.audio.formats import WAV
from ivr.errors import NotFound
from ivr.mailbox.renditions import RenderedAudio
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
        cached = await rest.request("HEAD", path, headers={"If-None-Match": get.headers["etag"]})
        assert cached.status_code == 304, path
    ranged = await rest.request("HEAD", f"{message}/raw", headers={"Range": "bytes=0-9"})
    assert (ranged.status_code, int(ranged.headers["content-length"]) > 10) == (200, True)


async def test_head_is_rejected_like_get(rest: RestClient, app: AppFixture, api_url: str) -> None:
    assert (await rest.request("HEAD", "/nothing")).status_code == 404
    assert (await rest.request("HEAD", "", headers={"X-Auth-Token": "wrong"})).status_code == 401
    response = await rest.http.head(f"{api_url}/v2/api_auth")
    assert (response.status_code, response.headers["allow"]) == (405, "PUT")
    for path in ("/docs", "/openapi.json"):
        assert (await rest.http.head(f"{api_url}{path}")).status_code == 200


async def test_head_reads_no_audio(tmp_path: Path) -> None:
    """The file of the rendition does not exist: only opening it fails."""
    rendition = RenderedAudio(WAV, b"", ((tmp_path / "missing.wav", 0, 100),), "tag")
    get: dict[str, Any] = {"type": "http", "method": "GET", "headers": []}
    head = {**get, "state": {"head": True}}
    assert (await audio_response(Request(head), rendition, "message.wav")).headers["content-length"] == "100"
    with pytest.raises(NotFound):
        await audio_response(Request(get), rendition, "message.wav")


async def test_post_with_verb_is_handled_as_that_method(rest: RestClient, app: AppFixture) -> None:
    box = await app.create_box("1000", app.alice, media_extension="wav")
    message = await app.create_message(box)
    patched = await rest.request_ok("POST", f"/{box.id}?verb=PATCH", {"name": "Front desk"})
    assert (patched["data"]["name"], patched["data"]["media_extension"]) == ("Front desk", "wav")
    assert (await rest.request_ok("POST", f"/{box.id}/messages/{message.id}?verb=get"))["data"]["folder"] == "new"
    header = {"X-HTTP-Method-Override": "DELETE"}
    await rest.request_ok("POST", f"/{box.id}/messages/{message.id}", headers=header)
    assert await app.messages(box) == []
    assert (await rest.request_ok("GET", f"/{box.id}?verb=GET"))["data"]["name"] == "Front desk"


async def test_other_ways_to_name_the_method_mean_the_same(rest: RestClient, app: AppFixture) -> None:
    box = await app.create_box("1000", app.alice, media_extension="wav")
    for query, headers in (("?VERB=patch", {}), ("?_method=PATCH", {}), ("", {"X-HTTP-Method": "PATCH"}),
                           ("", {"X-Method-Override": "PATCH"}), ("?method=patch", {}), ("?verb[]=PATCH", {}),
                           ("?X-HTTP-Method-Override=PATCH", {})):  # fmt: skip
        body = {"verb": None, "data": {"name": "Front desk", "verb": "jump"}}
        patched = await rest.request_ok("POST", f"/{box.id}{query}", json=body, headers=headers)
        assert (patched["data"]["media_extension"], patched["data"]["verb"]) == ("wav", "jump")


@pytest.mark.parametrize(
    ("method", "query", "envelope", "problem"),
    [
        ("GET", "?verb=DELETE", {}, "send it as POST"),
        ("PATCH", "?verb=POST", {}, "send it as POST"),
        ("POST", "?verb=TRACE", {}, "unknown verb: use DELETE, GET"),
        ("POST", "?verb=PATCH&verb=DELETE", {}, "one verb"),
        ("POST", "", {"verb": "PATCH"}, "?verb="),
        ("POST", "?verb=PATCH", {"verb": "POST"}, "?verb="),
        ("POST", "", {"verb": 1}, "?verb="),
        ("POST", "", {"Verb": "PATCH"}, "?verb="),
        ("POST", "", {"data": {"name": "Changed", "mailbox": "1000", "verb": "delete"}}, "?verb="),
        ("GET", "?Verb=DELETE", {}, "send it as POST"),
        ("GET", "?_method=DELETE", {}, "send it as POST"),
        ("POST", "", {"_method": "DELETE"}, "?verb="),
        ("POST", "", {"data": {"name": "Changed", "mailbox": "1000", "_method": "delete"}}, "?verb="),
        ("DELETE", "", {"verb": "PATCH"}, "?verb="),
        ("POST", "", {"method": "Delete"}, "?verb="),
        ("POST", "?verb[]=PATCH&method=DELETE", {}, "one verb"),
    ],
)
async def test_ambiguous_verb_is_rejected_and_changes_nothing(
    rest: RestClient, app: AppFixture, method: str, query: str, envelope: dict[str, Any], problem: str
) -> None:
    box = await app.create_box("1000", app.alice, media_extension="wav")
    before = await rest.request_ok("GET", f"/{box.id}")
    body = {"data": {"name": "Changed", "mailbox": "1000"}, **envelope}
    rejected = await rest.request_error(400, method, f"/{box.id}{query}", json=body)
    assert problem in rejected["data"]["message"]
    assert (await rest.request_ok("GET", f"/{box.id}"))["data"] == before["data"]
