"""The audit log of REST requests."""

from __future__ import annotations

import json

import httpx

from ivr.directory.credentials import kazoo_credentials_md5
from ivr.storage.records import AuditAction, AuditQuery
from tests.api.conftest import RestClient, tone
from tests.api.test_route_tree import ROUTES
from tests.support.app_fixture import AppFixture


async def actions(app: AppFixture) -> list[tuple[str, str]]:
    """Return action and subject of all entries, oldest first, without the first request of each API key."""
    await app.container.audit_log.flush()
    found = await app.container.audit_store.find(AuditQuery(), 100)
    keys = {token.id for token in await app.container.tokens.list_valid(app.account.id, with_sessions=False)}
    shown = (entry for entry in reversed(found) if entry.action != "signed-in" or entry.subject not in keys)
    return [(entry.action, entry.subject) for entry in shown]


async def test_audio_that_is_fetched_exported_and_deleted_is_recorded(
    rest: RestClient, alice_rest: RestClient, app: AppFixture
) -> None:
    box = await app.create_box("1000", app.alice)
    first, second = [await rest.upload_message(box.id, tone()) for _ in range(2)]
    ids = [first["media_id"], second["media_id"]]
    path = f"/{box.id}/messages"
    await alice_rest.request("GET", f"{path}/{ids[0]}/raw", headers={"Range": "bytes=100-199"})
    await rest.request("POST", f"{path}/raw", {"messages": ids})
    await rest.request_ok("POST", f"{path}/{ids[0]}", {"folder": "deleted"})
    await rest.request_ok("DELETE", path, {"messages": [ids[1], "202611-" + "0" * 32]})
    assert (await actions(app))[4:] == [
        ("fetched", ids[0]),
        ("exported", ids[0]),
        ("exported", ids[1]),
        ("deleted", ids[0]),
        ("deleted", ids[1]),
    ]
    entries = await app.container.audit_store.find(AuditQuery(user=app.alice.id, action=AuditAction.FETCHED), 10)
    tokens = await app.container.tokens.list_valid(app.account.id, with_sessions=False)
    [token] = [one for one in tokens if one.user_id == app.alice.id]
    assert [(entry.actor.device, entry.actor.proof) for entry in entries] == [
        (f"127.0.0.1 token {token.id}", "API key")
    ]


async def test_not_modified_head_and_missing_audio_are_not_fetched(rest: RestClient, app: AppFixture) -> None:
    box = await app.create_box("1000", app.alice)
    message = await rest.upload_message(box.id, tone())
    path = f"/{box.id}/messages/{message['media_id']}/raw"
    tag = (await rest.request("GET", path)).headers["ETag"]
    assert (await rest.request("GET", path, headers={"If-None-Match": tag})).status_code == 304
    assert (await rest.request("HEAD", path)).status_code == 200
    assert (await rest.request("GET", f"/{box.id}/messages/202611-{'0' * 32}/raw")).status_code == 404
    assert [action for action, _ in await actions(app)] == ["added", "changed", "fetched"]


async def test_link_is_recorded_as_such(rest: RestClient, app: AppFixture) -> None:
    box = await app.create_box("1000", app.alice)
    message = await rest.upload_message(box.id, tone())
    document = (await rest.request_ok("GET", f"/{box.id}/messages/{message['media_id']}?links=true"))["data"]
    async with httpx.AsyncClient() as anyone:
        url = next(iter(document["links"].values())) if isinstance(document["links"], dict) else document["links"]
        response = await anyone.get(url if url.startswith("http") else rest.url + url)
    assert response.status_code == 200
    await app.container.audit_log.flush()
    [entry, *_] = await app.container.audit_store.find(AuditQuery(), 10)
    assert (entry.action, entry.actor.user, entry.actor.proof) == ("fetched", "", "link")


async def test_pin_and_settings_are_recorded_without_their_values(rest: RestClient, app: AppFixture) -> None:
    box_id = await rest.create_box("1000", owner_id=app.alice.id)
    await rest.request_ok("PATCH", f"/{box_id}", {"pin": "852036", "timezone": "Europe/Oslo", "is_setup": True})
    await rest.request_error(400, "PATCH", f"/{box_id}", {"timezone": "Nowhere/Else"})
    assert (await actions(app))[1:] == [("pin-set", ""), ("settings-changed", "is_setup, timezone")]
    assert not {"852036", "Oslo"} & set(str(await app.container.audit_store.find(AuditQuery(), 10)).split("/"))


async def test_signing_in_is_recorded(rest: RestClient, app: AppFixture) -> None:
    user = await app.create_user("carol")
    await app.container.credentials.set(user, "carol", "a long password")
    document = {"credentials": kazoo_credentials_md5("carol", "a long password"), "account_name": "demo"}
    async with httpx.AsyncClient() as client:
        response = await client.put(f"{rest.url}/v2/user_auth", json={"data": document})
        wrong = await client.put(f"{rest.url}/v2/user_auth", json={"data": {**document, "credentials": "0" * 32}})
    assert (response.status_code, wrong.status_code) == (201, 401)
    [entry] = await app.container.audit_store.find(AuditQuery(), 10)
    assert (entry.action, entry.actor.user, entry.actor.proof) == ("signed-in", user.id, "password")


async def test_greetings_that_are_uploaded_and_deleted_are_recorded(rest: RestClient, app: AppFixture) -> None:
    box = await app.create_box("1000", app.alice)
    path = f"/{box.id}/greetings/name"
    await rest.request_ok("PUT", f"{path}/raw", content=tone(), headers={"Content-Type": "audio/x-wav"})
    await rest.request_ok("DELETE", path)
    assert await actions(app) == [("settings-changed", "media.name")] * 2


BOX, MESSAGE = "/v2/accounts/{account_id}/vmboxes/{box_id}", "/v2/accounts/{account_id}/vmboxes/{box_id}/messages"
CHANGING: dict[tuple[str, str], dict[str, object]] = {
    ("PUT", "/v2/user_auth"): {"json": "CREDENTIALS"},
    ("PUT", "/v2/api_auth"): {"json": "API_KEY"},
    ("DELETE", "/v2/user_auth"): {"session": True},
    ("PUT", "/v2/accounts/{account_id}/vmboxes"): {"json": {"mailbox": "1001", "name": "Second"}},
    ("POST", BOX): {"json": {"mailbox": "1000", "name": "Other"}},
    ("PATCH", BOX): {"json": {"name": "Another"}},
    ("PUT", MESSAGE): {"json": {"caller_id_number": "2001"}},
    ("PUT", f"{MESSAGE}/{{message_id}}/raw"): {"content": tone(), "headers": {"Content-Type": "audio/x-wav"}},
    ("POST", f"{MESSAGE}/{{message_id}}"): {"json": {"folder": "saved"}},
    ("POST", MESSAGE): {"json": {"folder": "new", "messages": ["MESSAGE"]}},
    ("POST", f"{MESSAGE}/raw"): {"json": {"messages": ["MESSAGE"]}},
    ("DELETE", f"{MESSAGE}/{{message_id}}"): {},
    ("DELETE", MESSAGE): {},
    ("PUT", f"{BOX}/greetings/{{greeting}}/raw"): {"content": tone(), "headers": {"Content-Type": "audio/x-wav"}},
    ("DELETE", f"{BOX}/greetings/{{greeting}}"): {},
    ("DELETE", BOX): {},
}
"""The routes that change something or hand out messages, in an order in which each finds its object."""


OF_MEDIA_EDGES = ("PUT", "/media/{account_id}/vm/{name}")
"""Needs a site that has media edges: see test_call_recordings.py."""


async def test_every_route_that_changes_something_leaves_an_entry(rest: RestClient, app: AppFixture) -> None:
    """A new route is added to the table."""
    routes = {(method, route.path) for route in ROUTES for method in route.methods or () if method != "GET"}
    assert routes - {OF_MEDIA_EDGES} == CHANGING.keys()
    box = await app.create_box("1000", app.alice)
    first, last = await app.create_message(box), await app.create_message(box)
    await app.container.credentials.set(app.alice, "alice", "a long password")
    key, _ = await app.container.tokens.create(app.account.id)
    credentials = {"credentials": kazoo_credentials_md5("alice", "a long password"), "account_name": "demo"}
    session = ""
    silent = []
    for (method, path), given in CHANGING.items():
        options: dict[str, object] = {name: value for name, value in given.items() if name != "session"}
        data = options.pop("json", None)
        if data is not None:
            text = json.dumps({"CREDENTIALS": credentials, "API_KEY": {"api_key": key}}.get(str(data), data))
            options["json"] = {"data": json.loads(text.replace("MESSAGE", first.id))}
        if given.get("session"):
            options["headers"] = {"X-Auth-Token": session}
        ids = {"account_id": app.account.id, "box_id": box.id, "message_id": first.id, "greeting": "name"}
        before = len(await actions(app))
        response = await rest.http.request(method, rest.url + path.format(**ids), **options)  # type: ignore[arg-type]
        assert response.is_success, (method, path, response.text)
        session = response.json()["auth_token"] if path == "/v2/user_auth" else session
        if len(await actions(app)) <= before:
            silent.append((method, path))
    assert silent == []
    assert ("deleted", last.id) in await actions(app)


async def test_moves_copies_and_transfers_are_recorded_by_message(rest: RestClient, app: AppFixture) -> None:
    box, other = await app.create_box("1000", app.alice), await app.create_box("1001", app.alice)
    first, second = await app.create_message(box), await app.create_message(box)
    path = f"/{box.id}/messages"
    await rest.request_ok("POST", f"{path}/{first.id}", {"folder": "saved"})
    await rest.request_ok("POST", f"{path}/{first.id}", {"folder": "saved"})  # Changes nothing.
    await rest.request_ok("POST", f"{path}/{first.id}", {"source_id": [other.id]})
    await rest.request_ok("POST", path, {"messages": [first.id, "202611-" + "0" * 32], "source_id": [other.id]})
    await rest.request_ok("POST", f"{path}/{first.id}", {"source_id": other.id})
    await rest.request_ok("POST", path, {"messages": [second.id], "source_id": other.id})
    assert await actions(app) == [
        ("moved", first.id),
        ("copied", first.id),
        ("copied", first.id),
        ("moved", first.id),
        ("moved", second.id),
    ]
