"""Audio for players that send no header: links that expire, and `auth_token` in the query where a setting allows it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import Message
from tests.api.conftest import RestClient, serve_client
from tests.support.app_fixture import AppFixture


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


@pytest.fixture
async def message(app: AppFixture, box: Mailbox) -> Message:
    return await app.create_message(box)


async def fetch(url: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient() as browser:
        return await browser.get(url, **options)


async def link_of(rest: RestClient, box: Mailbox, message: Message) -> str:
    document = (await rest.request_ok("GET", f"/{box.id}/messages/{message.id}?links=true"))["data"]
    return f"{rest.url}{document['links']['raw']}"


@pytest.mark.parametrize("path", ["/{box}/messages/{message}", "/{box}/messages", "/messages"])
async def test_links_is_true_or_false_and_nothing_else(
    rest: RestClient, app: AppFixture, box: Mailbox, path: str
) -> None:
    path = path.format(box=box.id, message=(await app.create_message(box)).id)
    for words in ("links=1", "links=yes", "links=TRUE"):
        assert "raw?until=" in (await rest.request("GET", f"{path}?{words}")).text
    assert "raw?until=" not in (await rest.request("GET", f"{path}?links=no")).text
    for wrong in ("links=foo", "links=", "link=true", "Links=true"):
        assert wrong.partition("=")[0] in (await rest.request_error(400, "GET", f"{path}?{wrong}"))["data"]


async def test_link_plays_one_message_without_token_until_it_expires(
    rest: RestClient, app: AppFixture, box: Mailbox, message: Message
) -> None:
    link = await link_of(rest, box, message)
    with_token = await rest.request("GET", f"/{box.id}/messages/{message.id}/raw")
    assert (await fetch(link)).content == with_token.content
    part = await fetch(link, headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, with_token.content[:10])
    assert part.headers["cache-control"] == "no-store", "a portal leaves no audio on the disk of a shared computer"
    assert with_token.headers["cache-control"] == "private, no-cache"
    app.clock.advance(s=599)
    assert (await fetch(link)).status_code == 200
    app.clock.advance(s=2)
    expired = await fetch(link)
    assert (expired.status_code, expired.json()["status"]) == (401, "error")


async def test_link_opens_nothing_but_its_message(
    rest: RestClient, app: AppFixture, box: Mailbox, message: Message
) -> None:
    other = await app.create_message(box)
    link = await link_of(rest, box, message)
    query = link.partition("?")[2]
    until, sig = (part.partition("=")[2] for part in query.split("&"))
    assert (await fetch(link.replace(message.id, other.id))).status_code == 401
    for forged in (f"until={int(until) + 60}&sig={sig}", f"until={until}&sig={sig.swapcase()}", f"until={until}&sig=",
                   f"sig={sig}", f"until=x&sig={sig}", f"until={until}&sig=\u00e9"):  # fmt: skip
        assert (await fetch(f"{link.partition('?')[0]}?{forged}")).status_code == 401, forged
    for path in ("", f"/{box.id}", f"/{box.id}/messages", f"/{box.id}/messages/{message.id}"):
        assert (await fetch(f"{rest.base}{path}?{query}")).status_code == 401, path
    async with httpx.AsyncClient() as browser:
        assert (await browser.put(link, content=b"RIFF")).status_code == 401


async def test_link_of_deleted_message_is_not_found(
    rest: RestClient, app: AppFixture, box: Mailbox, message: Message
) -> None:
    link = await link_of(rest, box, message)
    await rest.request_ok("DELETE", f"/{box.id}/messages/{message.id}")
    assert (await fetch(link)).status_code == 404


async def test_link_of_disabled_mailbox_is_not_found(
    rest: RestClient, app: AppFixture, box: Mailbox, message: Message
) -> None:
    link = await link_of(rest, box, message)
    await app.container.boxes.patch(box, {"enabled": False})
    assert (await fetch(link)).status_code == 404


async def test_lists_have_links_where_asked_for_and_are_not_cached(
    rest: RestClient, app: AppFixture, box: Mailbox, message: Message
) -> None:
    assert "links" not in (await rest.request_ok("GET", f"/{box.id}/messages"))["data"][0]
    of_box = await rest.request("GET", f"/{box.id}/messages?links=true")
    [in_box] = of_box.json()["data"]
    [in_account] = (await rest.request_ok("GET", "/messages?links=true&paginate=false"))["data"]
    for document in (in_box, in_account[box.id]):
        assert (await fetch(f"{rest.url}{document['links']['raw']}")).status_code == 200
    assert of_box.headers["cache-control"] == "no-store"
    app.clock.advance(s=300)
    again = await rest.request(
        "GET", f"/{box.id}/messages?links=true", headers={"If-None-Match": of_box.headers["etag"]}
    )
    assert again.json()["data"][0]["links"]["expires_at"] == in_box["links"]["expires_at"] + 300


async def test_token_in_query_is_accepted_for_audio_only_and_only_by_setting(
    rest: RestClient, app: AppFixture, box: Mailbox, message: Message
) -> None:
    raw = f"/{box.id}/messages/{message.id}/raw?auth_token={rest.token}"
    assert (await fetch(f"{rest.base}{raw}")).status_code == 401
    with capture_logs() as logs:
        async with serve_client(app, "", is_token_in_query_allowed=True) as client:
            assert (await fetch(f"{client.base}{raw}")).status_code == 200
            assert (await fetch(f"{client.base}/{box.id}?auth_token={rest.token}")).status_code == 401
            assert (await fetch(f"{client.base}{raw}x")).status_code == 401
    assert rest.token not in str(logs)
