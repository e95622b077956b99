"""Boxes over REST (EP01 to EP06) and their settings."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.api.serializers import box_document
from ivr.errors import InvalidFields
from ivr.mailbox.box_settings import BoxSettings
from tests.api.conftest import RestClient
from tests.support.app_fixture import AppFixture

UNKNOWN_ID = "0" * 32


async def test_created_box_has_defaults_and_id(rest: RestClient) -> None:
    response = await rest.request("PUT", data={"name": "Sales", "mailbox": "3000", "pin": "4716"})
    box = response.json()["data"]
    assert response.status_code == 201
    assert response.headers["location"] == box["id"]
    assert len(box["id"]) == 32
    assert (box["media_extension"], box["check_if_owner"], box["seek_duration_ms"]) == ("mp3", True, 10_000)
    assert box["is_voicemail_ff_rw_enabled"] is True


async def test_pin_is_write_only(rest: RestClient) -> None:
    responses = [await rest.request("PUT", data={"name": "Sales", "mailbox": "3000", "pin": "258036"})]
    box_id = responses[0].json()["data"]["id"]
    responses.append(await rest.request("GET", f"/{box_id}"))
    responses.append(await rest.request("PATCH", f"/{box_id}", {"pin": "852036"}))
    responses.append(await rest.request("GET"))
    assert all(response.is_success for response in responses)
    assert not any(
        "258036" in response.text or "852036" in response.text or '"pin"' in response.text for response in responses
    )
    box = await rest.app.container.boxes.get(box_id)
    assert await rest.app.container.secret_store.verify(box.account_id, box.pin_secret_ref, "852036")


async def test_omitted_pin_is_unchanged_and_null_removes_it(rest: RestClient) -> None:
    box_id = await rest.create_box(pin="4716")
    box = await rest.app.container.boxes.get(box_id)
    await rest.request_ok("POST", f"/{box_id}", {"name": "Sales", "mailbox": "1000"})
    assert await rest.app.container.secret_store.verify(box.account_id, box.pin_secret_ref, "4716")
    await rest.request_ok("PATCH", f"/{box_id}", {"pin": None})
    assert not await rest.app.container.secret_store.exists(box.account_id, box.pin_secret_ref)


async def test_boxes_are_listed_by_number_with_message_counts(rest: RestClient) -> None:
    second, first = (
        await rest.create_box("2000", flags=["blue"]),
        await rest.create_box("1000", owner_id=rest.app.alice.id),
    )
    mailbox = await rest.app.container.boxes.get(first)
    for folder in ("new", "new", "saved", "deleted"):
        await rest.app.create_message(mailbox, folder=folder)
    listed = await rest.request_ok("GET")
    assert listed["data"] == [
        {"id": first, "name": "Box 1000", "mailbox": "1000", "owner_id": rest.app.alice.id, "messages": 3,
         "folders": {"new": 2, "saved": 1}},
        {"id": second, "name": "Box 2000", "mailbox": "2000", "flags": ["blue"], "messages": 0},
    ]  # fmt: skip
    assert listed["page_size"] == 2
    assert "next_start_key" not in listed


async def test_boxes_are_listed_with_owners_and_all_counts(rest: RestClient) -> None:
    """What VoicemailUsersList of Asterisk's manager returned. A user sees their own boxes."""
    app = rest.app
    carol = await app.create_user("carol", email="carol@demo.example", language="fr", timezone="Europe/Paris")
    first = await app.create_box("1000", owner=carol)
    await app.create_box("2000", timezone="Asia/Tokyo", enabled=False)
    for folder, urgent in (("new", True), ("new", False), ("saved", False), ("deleted", False)):
        await app.create_message(first, folder=folder, urgent=urgent)
    listed = (await rest.request_ok("GET", "/users"))["data"]
    assert listed == [
        {
            "id": first.id, "mailbox": "1000", "name": "Box 1000", "enabled": True, "timezone": "Europe/Paris",
            "language": "fr", "messages": {"new": 2, "urgent": 1, "saved": 1, "deleted": 1},
            "owner": {"id": carol.id, "name": "carol", "email": "carol@demo.example"},
        },
        {
            "id": listed[1]["id"], "mailbox": "2000", "name": "Box 2000", "enabled": False, "timezone": "Asia/Tokyo",
            "language": "en", "messages": {"new": 0, "urgent": 0, "saved": 0, "deleted": 0},
        },
    ]  # fmt: skip
    [found] = (await rest.request_ok("GET", "/users?filter_mailbox=2000"))["data"]
    assert found["mailbox"] == "2000"


async def test_boxes_are_paged_and_filtered(rest: RestClient) -> None:
    ids = [await rest.create_box(str(1000 + n), hunt=n % 2 == 0) for n in range(5)]
    first = await rest.request_ok("GET", "?page_size=2")
    second = await rest.request_ok("GET", f"?page_size=2&start_key={first['next_start_key']}")
    third = await rest.request_ok("GET", f"?page_size=2&start_key={second['next_start_key']}")
    assert [box["id"] for page in (first, second, third) for box in page["data"]] == ids
    assert "next_start_key" not in third
    assert [box["id"] for box in (await rest.request_ok("GET", "?filter_hunt=false"))["data"]] == [ids[1], ids[3]]
    assert [box["id"] for box in (await rest.request_ok("GET", "?descending=true"))["data"]] == ids[::-1]


async def test_unknown_box_keys_are_preserved(rest: RestClient) -> None:
    box_id = await rest.create_box(some_key={"a": [1, "x"]})
    assert (await rest.request_ok("GET", f"/{box_id}"))["data"]["some_key"] == {"a": [1, "x"]}


async def test_put_replaces_whole_box(rest: RestClient) -> None:
    box_id = await rest.create_box(some_key=1, hunt=False)
    box = (await rest.request_ok("POST", f"/{box_id}", {"name": "New", "mailbox": "1001"}))["data"]
    assert (box["name"], box["mailbox"], box["hunt"], "some_key" in box) == ("New", "1001", True, False)


async def test_patch_merges_and_null_removes_key(rest: RestClient) -> None:
    box_id = await rest.create_box(notify={"callback": {"number": "1", "attempts": 3}}, some_key=1)
    box = (
        await rest.request_ok("PATCH", f"/{box_id}", {"notify": {"callback": {"attempts": None}}, "some_key": None})
    )["data"]
    assert (box["notify"], "some_key" in box) == ({"callback": {"number": "1"}}, False)


async def test_required_key_cannot_be_removed(rest: RestClient) -> None:
    box_id = await rest.create_box()
    envelope = await rest.request_error(400, "PATCH", f"/{box_id}", {"name": None})
    assert envelope["message"] == "validation error"
    assert envelope["data"] == {"name": {"required": {"message": "Field is required but missing"}}}


async def test_deleted_box_is_gone_with_its_messages(rest: RestClient) -> None:
    box_id = await rest.create_box()
    message = await rest.app.create_message(await rest.app.container.boxes.get(box_id))
    deleted = (await rest.request_ok("DELETE", f"/{box_id}"))["data"]
    assert (deleted["id"], deleted["_read_only"]) == (box_id, {"deleted": True})
    await rest.request_error(404, "GET", f"/{box_id}")
    await rest.request_error(404, "GET", f"/{box_id}/messages/{message.id}")
    assert (await rest.request_ok("GET"))["data"] == (await rest.request_ok("GET", "/messages"))["data"] == []
    await rest.create_box()  # Its number is free again.


@pytest.mark.parametrize(
    ("query", "data", "member"),
    [
        ("", {"messages": ["202601-" + "0" * 32]}, "messages"),
        ("", {"folder": "deleted"}, "folder"),
        ("", {"id": "0" * 32}, "id"),
        ("?folder=deleted", None, "folder"),
        ("?filter_folder=deleted", None, "filter_folder"),
    ],
)
async def test_delete_of_a_box_that_means_messages_or_another_box_deletes_nothing(
    rest: RestClient, query: str, data: Any, member: str
) -> None:
    """A client that forgets `/messages` in the path would delete the box."""
    box_id = await rest.create_box()
    assert member in (await rest.request_error(400, "DELETE", f"/{box_id}{query}", data))["data"]
    [listed] = (await rest.request_ok("GET"))["data"]
    assert listed["messages"] == 0
    await rest.request_ok("DELETE", f"/{box_id}?_=1", listed)  # Its own document, with the count of its messages.


INVALID_DOCUMENTS: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, "name", "minLength"),
    ({"name": "n" * 129}, "name", "maxLength"),
    ({"mailbox": ""}, "mailbox", "minLength"),
    ({"mailbox": "1" * 31}, "mailbox", "maxLength"),
    ({"owner_id": "short"}, "owner_id", "minLength"),
    ({"pin": "123"}, "pin", "minLength"),
    ({"pin": "1234567"}, "pin", "maxLength"),
    ({"pin": "12ab"}, "pin", "pattern"),
    ({"play_envelope_action": "sometimes"}, "play_envelope_action", "enum"),
    ({"seek_duration_ms": -1}, "seek_duration_ms", "minimum"),
    ({"oldest_message_first": "perhaps"}, "oldest_message_first", "type"),
    ({"media_extension": "aiff"}, "media_extension", "enum"),
    ({"timezone": "Mars/Olympus"}, "timezone", "wrong_format"),
    ({"notify_email_addresses": ["no-address"]}, "notify_email_addresses.0", "wrong_format"),
    ({"vm_message_forward_type": "x"}, "vm_message_forward_type", "enum"),
    ({"after_forward_action": "x"}, "after_forward_action", "enum"),
    ({"envelope_type": "x"}, "envelope_type", "enum"),
    ({"hunt_allow": "x" * 257}, "hunt_allow", "maxLength"),
    ({"media": {"unavailable": "x"}}, "media.unavailable", "minLength"),
    ({"notify": {"callback": {"schedule": ["soon"]}}}, "notify.callback.schedule.0", "type"),
    ({"notify": {"callback": {"attempts": -1}}}, "notify.callback.attempts", "minimum"),
    ({"flags": {"x": 1}}, "flags", "type"),
    ({"members": 1}, "members", "wrong_format"),
    ({"members": ["bob"]}, "members", "wrong_format"),
    ({"members": [{"type": "user"}]}, "members", "wrong_format"),
    ({"silence_hits": -1}, "silence_hits", "minimum"),
]


@pytest.mark.parametrize(("document", "field", "rule"), INVALID_DOCUMENTS)
async def test_invalid_box_document_is_rejected_naming_field_and_rule(
    rest: RestClient, document: dict[str, Any], field: str, rule: str
) -> None:
    envelope = await rest.request_error(400, "PUT", data={"name": "Sales", "mailbox": "3000", **document})
    assert envelope["message"] == "validation error"
    assert list(envelope["data"]) == [field]
    assert rule in envelope["data"][field]
    assert envelope["data"][field][rule]["message"]
    assert (await rest.request_ok("GET"))["data"] == []


DOCUMENT_WITH_ALL_KEYS: dict[str, Any] = {
    "require_pin": True, "is_setup": True, "skip_envelope": True, "play_envelope_action": "play_before",
    "oldest_message_first": True, "is_voicemail_ff_rw_enabled": False, "seek_duration_ms": 5000,
    "media_extension": "wav", "timezone": "Europe/Berlin", "transcribe": True, "include_message_on_notify": False,
    "include_transcription_on_notify": False, "notify_email_addresses": ["a@b.example"], "delete_after_notify": True,
    "save_after_notify": True, "vm_message_forward_type": "prepend_forward", "after_forward_action": "prompt",
    "shared_vmbox": True, "members": [{"id": UNKNOWN_ID, "type": "user"}], "numbers": ["5550100"], "flags": ["x"],
    "notify": {"callback": {"number": "5550100", "disabled": True, "schedule": [60, 120], "attempts": 3,
                            "interval_s": 60, "timeout_s": 10}},
    "aliases": ["3001"], "envelope_type": "caller_and_time", "silence_hits": 3, "silence_threshold": 100,
    "shared_vmbox_notify_owner_email": True, "owner_id": UNKNOWN_ID,
}  # fmt: skip


async def test_every_key_is_stored_and_returned(rest: RestClient) -> None:
    box_id = await rest.create_box(**DOCUMENT_WITH_ALL_KEYS)
    box = (await rest.request_ok("GET", f"/{box_id}"))["data"]
    assert {key: box[key] for key in DOCUMENT_WITH_ALL_KEYS} == DOCUMENT_WITH_ALL_KEYS


async def test_simple_type_errors_are_coerced(rest: RestClient) -> None:
    box_id = await rest.create_box(require_pin="true", seek_duration_ms="5000", numbers=[5550100])
    box = (await rest.request_ok("GET", f"/{box_id}"))["data"]
    assert (box["require_pin"], box["seek_duration_ms"], box["numbers"]) == (True, 5000, ["5550100"])


async def test_number_in_use_is_rejected_as_number_and_alias(rest: RestClient) -> None:
    await rest.create_box("3000", aliases=["3001"])
    for document in ({"mailbox": "3000"}, {"mailbox": "3001"}, {"mailbox": "4", "aliases": ["3000"]},
                     {"mailbox": "4", "aliases": ["3001"]}):  # fmt: skip
        envelope = await rest.request_error(400, "PUT", data={"name": "x", **document})
        assert envelope["data"]["mailbox"]["unique"]["message"].startswith("Invalid mailbox number or already exists")
    envelope = await rest.request_error(400, "PUT", data={"name": "x", "mailbox": "4", "aliases": ["4"]})
    assert "leave it out of its aliases" in envelope["data"]["aliases"]["unique"]["message"]


async def test_if_match_rejects_outdated_revision(rest: RestClient) -> None:
    box_id = await rest.create_box()
    response = await rest.request("GET", f"/{box_id}")
    assert response.headers["etag"] == f'"{response.json()["revision"]}"'
    await rest.request_ok("PATCH", f"/{box_id}", {"name": "A"}, headers={"If-Match": response.headers["etag"]})
    for method in ("PATCH", "POST", "DELETE"):
        envelope = await rest.request_error(412, method, f"/{box_id}", {"name": "B", "mailbox": "1000"},
                                  headers={"If-Match": response.headers["etag"]})  # fmt: skip
        assert envelope["message"] == "precondition_failed"
    assert (await rest.request_ok("GET", f"/{box_id}"))["data"]["name"] == "A"


async def test_if_none_match_returns_not_modified(rest: RestClient) -> None:
    box_id = await rest.create_box()
    for path in ("", f"/{box_id}", "/messages"):
        tag = (await rest.request("GET", path)).headers["etag"]
        again = await rest.request("GET", path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
    await rest.request_ok("PATCH", f"/{box_id}", {"name": "A"})
    assert (await rest.request("GET", f"/{box_id}", headers={"If-None-Match": tag})).status_code == 200


async def test_concurrent_box_writes_are_not_mixed(rest: RestClient) -> None:
    box_id = await rest.create_box()
    responses = await asyncio.gather(
        *(rest.request("PATCH", f"/{box_id}", {"a": n, "b": {"c": n}, "name": f"n{n}"}) for n in range(20))
    )
    assert {response.status_code for response in responses} <= {200, 409}
    done = [response.json()["data"] for response in responses if response.status_code == 200]
    assert done
    assert all(box["a"] == box["b"]["c"] and box["name"] == f"n{box['a']}" for box in done)
    assert all(a.json()["message"] == "datastore_conflict" for a in responses if a.status_code == 409)
    assert (await rest.request_ok("GET", f"/{box_id}"))["data"]["a"] in {box["a"] for box in done}


async def test_box_document_size_is_limited_across_patches(rest: RestClient, app: AppFixture) -> None:
    """Each change is small enough by itself. Existing keys can still be changed and removed."""
    limit = app.settings.voicemail.max_box_settings_bytes
    box_id = await rest.create_box()
    for n in range(9):
        await rest.request_ok("PATCH", f"/{box_id}", {f"note{n}": "x" * (limit // 10)})
    envelope = await rest.request_error(400, "PATCH", f"/{box_id}", {"note9": "x" * (limit // 10)})
    assert envelope["message"] == "validation error"
    assert envelope["data"]["data"]["maxSize"]["target"] == limit
    assert "null" in envelope["data"]["data"]["maxSize"]["message"]
    assert "note9" not in (await rest.request_ok("GET", f"/{box_id}"))["data"]
    await rest.request_ok("PATCH", f"/{box_id}", {"note0": None, "note9": "x" * (limit // 10)})


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_oversized_box_is_not_created(rest: RestClient, app: AppFixture, method: str) -> None:
    box = {"name": "Large", "mailbox": "2000", "note": "x" * app.settings.voicemail.max_box_settings_bytes}
    path = "" if method == "PUT" else f"/{await rest.create_box('2000')}"
    envelope = await rest.request_error(400, method, path, box)
    assert "maxSize" in envelope["data"]["data"]


async def test_oversized_existing_box_can_be_reduced_and_used_by_phone(tmp_path: Path) -> None:
    app = await AppFixture(tmp_path / "large").open()
    box = await app.create_box("1000", app.alice, note="x" * 50_000, more="x")
    app.container.close()
    strict = AppFixture(tmp_path / "large", voicemail={"max_box_settings_bytes": 10_000})
    try:
        box = await strict.container.boxes.get(box.id)
        with pytest.raises(InvalidFields, match="the limit is 10000"):
            await strict.container.boxes.patch(box, {"more": "yy"})
        assert (
            await strict.container.boxes.patch_from_phone(box.id, {"announcement_only": True})
        ).settings.announcement_only
        assert (
            await strict.container.boxes.patch_from_phone(box.id, {"announcement_only": False})
        ).settings.mailbox == "1000"
        await strict.container.boxes.patch(await strict.container.boxes.get(box.id), {"more": None})
    finally:
        strict.close()


json_leaves = st.none() | st.booleans() | st.integers(-5, 5) | st.text("abcé\n", max_size=3)
documents = st.recursive(
    st.dictionaries(st.sampled_from("abc"), json_leaves, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner | json_leaves, max_size=3),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=documents, changes=st.lists(documents, max_size=4))
def test_box_patches_match_merge_patch_model(
    tmp_path_factory: pytest.TempPathFactory, before: dict[str, Any], changes: list[dict[str, Any]]
) -> None:
    asyncio.run(_compare_with_merge_patch_model(tmp_path_factory.mktemp("app") / "data", before, changes))


async def _compare_with_merge_patch_model(folder: Path, before: dict[str, Any], changes: list[dict[str, Any]]) -> None:
    """The unknown keys a, b, c of a box are patched as the model patches them."""
    app = await AppFixture(folder).open()
    try:
        box = await app.create_box(**before)
        model = {key: value for key, value in before.items() if value is not None}
        for change in changes:
            model = _merge_patch_model(model, change)
            box = await app.container.boxes.patch(box, change)
        shown = box_document(await app.container.boxes.get(box.id))
        assert {key: shown[key] for key in "abc" if key in shown} == model
        assert shown["name"] == "Box 1000"
    finally:
        app.close()


def _merge_patch_model(document: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """RFC 7396, implemented path by path."""
    result = {key: value for key, value in document.items() if change.get(key, key) is not None}
    for key, value in change.items():
        if isinstance(value, dict):
            inner = result.get(key)
            result[key] = _merge_patch_model(inner if isinstance(inner, dict) else {}, value)
        elif value is not None:
            result[key] = value
    return result


async def test_members_that_are_no_settings_are_not_stored(rest: RestClient, app: AppFixture) -> None:
    read_back = {"_rev": "1", "_read_only": {}, "pvt_type": "vmbox", "messages": [1], "folders": {"new": 1}}
    box_id = await rest.create_box("1000", **read_back)
    await rest.request_ok("PATCH", f"/{box_id}", {**read_back, "own_key": 1})
    replaced = await rest.request_ok("POST", f"/{box_id}", {"name": "A", "mailbox": "1000", "own_key": 2, **read_back})
    assert replaced["data"]["own_key"] == 2
    assert not set(read_back) & set(replaced["data"])


async def test_single_notify_address_of_kazoo_3_becomes_list(rest: RestClient, app: AppFixture) -> None:
    box_id = await rest.create_box("1000", notify_email_address="a@example.com")
    document = (await rest.request_ok("GET", f"/{box_id}"))["data"]
    assert document["notify_email_addresses"] == ["a@example.com"]
    assert "notify_email_address" not in document


@pytest.mark.parametrize(
    ("key", "meant"),
    [("timezon", "timezone"), ("requier_pin", "require_pin"), ("quota_mbs", "quota_mb"), ("aliasis", "aliases")],
)
async def test_key_that_is_one_letter_off_is_rejected_with_the_one_that_was_meant(
    rest: RestClient, app: AppFixture, key: str, meant: str
) -> None:
    box_id = await rest.create_box("1000")
    for method, path in (("PUT", ""), ("PATCH", f"/{box_id}"), ("POST", f"/{box_id}")):
        document = await rest.request_error(400, method, path, {"name": "A", "mailbox": "1001", key: "x"})
        assert document["data"][key]["unknown"]["message"] == f"Unknown key: did you mean {meant}?"
    assert key not in (await rest.request_ok("GET", f"/{box_id}"))["data"]


@pytest.mark.parametrize(
    ("document", "path", "meant"),
    [
        ({"media": {"unavailble": "x"}}, "media.unavailble", "media.unavailable"),
        ({"notify": {"callback": {"attemps": 3}}}, "notify.callback.attemps", "notify.callback.attempts"),
        ({"Timezone": "UTC"}, "Timezone", "timezone"),
        ({"Name": "A"}, "Name", "name"),
    ],
)
async def test_misspelt_key_of_a_nested_object_or_with_capitals_is_rejected(
    rest: RestClient, app: AppFixture, document: dict[str, Any], path: str, meant: str
) -> None:
    box_id = await rest.create_box("1000")
    envelope = await rest.request_error(400, "PATCH", f"/{box_id}", document)
    assert envelope["data"][path]["unknown"]["target"] == meant


async def test_filter_with_a_nested_key_that_no_box_has_is_rejected(rest: RestClient, app: AppFixture) -> None:
    await rest.create_box("1000", name="A", own={"colour": "red"}, flags=["x"])
    for query, number in (("filter_own.colour=red", 1), ("filter_media.unavailable=x", 0)):
        assert len((await rest.request_ok("GET", f"?{query}"))["data"]) == number
    for query in ("filter_media.foo=x", "filter_own.size=1", "filter_name.x=1", "has_key=notify.callbak"):
        envelope = await rest.request_error(400, "GET", f"?{query}")
        assert envelope["data"][query.split("=")[0]]["enum"]["message"].startswith("Unknown key")
    envelope = await rest.request_error(400, "GET", '?filter_array_intersect_any_name=["A"]')
    assert "filter_any_name" in envelope["data"]["filter_array_intersect_any_name"]["type"]["message"]


async def test_key_that_resembles_no_other_or_is_stored_already_is_taken(rest: RestClient, app: AppFixture) -> None:
    box_id = await rest.create_box("1000", colour="red", zone="x", pinned=True)
    stored = await app.container.boxes.get(box_id)
    await app.container.boxes.patch(stored, {"timezon": "written by an earlier version"})
    changed = await rest.request_ok("PATCH", f"/{box_id}", {"timezon": "x", "colour": "blue"})
    assert (changed["data"]["timezon"], changed["data"]["colour"]) == ("x", "blue")
    assert "timezon" not in (await rest.request_ok("PATCH", f"/{box_id}", {"timezon": None}))["data"]


@pytest.mark.parametrize("value", [{"a": 1}, [{}], [5], 5, 0.5, True, "x", "", -1])
async def test_values_of_wrong_type_are_rejected_in_plain_words(rest: RestClient, value: Any) -> None:
    """No message names a class or a function of the service, whatever the setting."""
    box_id = await rest.create_box()
    for name in BoxSettings.model_fields:
        response = await rest.request("PATCH", f"/{box_id}", {name: value})
        assert response.status_code in (200, 400), f"{name}: {response.text}"
        if response.status_code == 400:
            message = str(response.json()["data"])
            assert not re.search("Input should|Settings|instance of|unable to|function|pydantic", message), message
