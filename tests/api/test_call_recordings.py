"""/media: edges upload what they have recorded, once for each call; players of listed networks fetch it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from ivr.api.asgi import build_asgi_app
from ivr.api.server import ApiServer, ListenAddress
from ivr.errors import SettingsError
from ivr.mailbox.mailbox import Mailbox
from ivr.settings import Settings
from ivr.storage.records import AuditAction, AuditQuery, ChangeReason, Folder, TaskKind
from tests.api.conftest import RestClient, data_files, tone
from tests.support.app_fixture import AppFixture

TOKEN = "an edge token of some length"
CALL = "3848276298220188511@atlanta.example.com"


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[AppFixture]:
    """An installation whose edges and players are on this machine."""
    media = {"edges": ["127.0.0.1"], "edge_token": TOKEN, "clients": ["127.0.0.0/8"]}
    app = await AppFixture(tmp_path / "data", media=media).open()
    yield app
    app.close()


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


async def put(rest: RestClient, name: str = f"{CALL}.wav", token: str = TOKEN, **query: Any) -> httpx.Response:
    """Upload a tone as an edge does."""
    content = query.pop("content", tone(2000))
    headers = {"X-Auth-Token": token, "Content-Type": "audio/wav"}
    url = f"{rest.url}/media/{query.pop('account', rest.app.account.id)}/vm/{name}"
    return await rest.http.put(url, params={"box": "1000", **query}, content=content, headers=headers)


def path_of(rest: RestClient, name: str) -> str:
    return f"{rest.url}/media/{rest.app.account.id}/vm/{name}.wav"


async def test_recording_of_an_edge_becomes_one_message_that_is_announced(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    before = {task.kind for task in await app.container.outbox.list_tasks()}
    assert before <= {TaskKind.MWI}
    response = await put(rest, caller_id_number="2001", caller_id_name="Bob", urgent="true")
    assert response.status_code == 201
    [message] = await app.messages(box)
    assert response.json()["data"] == {"media_id": message.id, "call_id": CALL}
    assert (message.caller.number, message.caller.name, message.urgent) == ("2001", "Bob", True)
    assert (message.length_ms, message.call_id, message.folder) == (2000, CALL, Folder.NEW)
    tasks = {task.kind: task for task in await app.container.outbox.list_tasks()}
    assert tasks[TaskKind.NEW].message_id == message.id
    assert "suppress_notifications" not in tasks[TaskKind.NEW].payload
    assert TaskKind.MWI in tasks
    await app.container.audit_log.flush()
    [entry] = await app.container.audit_store.find(AuditQuery(), 10)
    assert (entry.action, entry.actor.proof, entry.subject) == (AuditAction.ADDED, "edge token", message.id)

    again = await put(rest, caller_id_number="2002")
    assert (again.status_code, again.json()["data"]) == (200, response.json()["data"])
    assert await app.messages(box) == [message]
    await app.container.messages.soft_delete(box.id, [message.id])
    assert (await put(rest)).status_code == 200
    assert await app.messages(box) == []


async def test_recording_that_is_uploaded_twice_at_once_is_one_message(
    rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    responses = await asyncio.gather(*(put(rest) for _ in range(3)))
    [message] = await app.messages(box)
    assert sorted(response.status_code for response in responses) == [200, 200, 201]
    assert {response.json()["data"]["media_id"] for response in responses} == {message.id}
    assert (await rest.http.get(path_of(rest, CALL))).status_code == 200
    assert len([name for name in data_files(app) if "/vm/" in name]) == 2, "one recording and its upload"


async def test_recording_is_fetched_by_call_or_message_with_a_token_or_a_link_of_a_minute(
    rest: RestClient, alice_rest: RestClient, app: AppFixture, box: Mailbox
) -> None:
    await put(rest)
    [message] = await app.messages(box)
    recording = app.container.delivery.audio_paths(message)[-1].read_bytes()
    for client, name in ((rest, CALL), (rest, message.id), (alice_rest, CALL)):
        response = await client.http.get(path_of(rest, name))
        assert (response.status_code, response.content) == (200, recording), name
        assert response.headers["content-type"] == "audio/x-wav"
    document = (await rest.request_ok("GET", f"/{box.id}/messages/{message.id}?links=true"))["data"]
    link = f"{rest.url}{document['links']['media']}"
    async with httpx.AsyncClient() as player:
        part = await player.get(link, headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, b"RIFF")
        for wrong in (path_of(rest, CALL), link.replace("sig=", "sig=A"), link.replace(message.id, CALL)):
            assert (await player.get(wrong)).status_code == 401, wrong
        app.clock.advance(s=60)
        assert (await player.get(link)).status_code == 200
        app.clock.advance(s=1)
        assert (await player.get(link)).status_code == 401
    await app.container.messages.transfer_to_box(message, (await app.create_box("1001", app.bob)).id, "a@b")
    assert (await rest.http.get(path_of(rest, CALL))).content == recording
    assert (await alice_rest.http.get(path_of(rest, CALL))).status_code == 403
    assert (await rest.http.get(path_of(rest, "unknown"))).status_code == 404
    assert (await rest.http.get(path_of(rest, CALL).removesuffix(".wav"))).status_code == 404


async def test_bad_upload_is_refused_and_leaves_nothing(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    await app.container.messages.move_to_folder(box.id, message.id, Folder.SAVED, ChangeReason.DTMF)
    files = data_files(app)
    refused: list[tuple[int, str, dict[str, Any]]] = [
        (401, "a.wav", {"token": "wrong"}),
        (401, "a.wav", {"token": ""}),
        (401, "a.wav", {"token": rest.token}),
        (400, "a.mp3", {}),
        (400, "a", {}),
        (400, ".wav", {}),
        (400, f"{'a' * 201}.wav", {}),
        (400, "a%20b.wav", {}),
        (400, f"{message.id}.wav", {}),
        (400, "a.wav", {"box": ""}),
        (404, "a.wav", {"box": "9999"}),
        (404, "a.wav", {"account": "0" * 32}),
        (400, "a.wav", {"timestamp": "tomorrow"}),
        (400, "a.wav", {"caller_id_numbr": "1"}),
        (400, "a.wav", {"content": b"no audio"}),
        (400, "a.wav", {"content": b""}),
    ]
    for status, name, query in refused:
        response = await put(rest, name, **query)
        assert (response.status_code, response.json()["status"]) == (status, "error"), (name, query, response.text)
    assert len(await app.messages(box)) == 1
    assert data_files(app) == files
    assert (await put(rest, "a.wav")).status_code == 201


async def test_addresses_that_are_not_listed_learn_nothing(rest: RestClient, app: AppFixture, box: Mailbox) -> None:
    await put(rest)
    services = app.container.api_services
    media = replace(services.media, edges=(), clients=())
    server = ApiServer(build_asgi_app(replace(services, media=media)), ListenAddress("127.0.0.1", 0))
    stranger = RestClient(app, await server.start(), rest.token)
    try:
        for name in (CALL, "unknown"):
            assert (await stranger.http.get(path_of(stranger, name))).status_code == 403
        assert (await put(stranger, "other.wav")).status_code == 403
    finally:
        await stranger.http.aclose()
        await server.stop()


def test_edges_without_a_token_are_refused() -> None:
    for token in ("", "short"):
        with pytest.raises((SettingsError, ValueError), match="edge_token of at least 20 characters"):
            Settings(media={"edges": ["10.0.0.0/8"], "edge_token": token})
