"""Mailboxes: every key with its type, limits and default; numbers; changes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.errors import Conflict, InvalidFields, NotFound
from ivr.mailbox.boxes import merge_patch, to_document
from ivr.mailbox.mailbox import Mailbox
from tests.support.app_fixture import AppFixture

ID32 = "0123456789abcdef0123456789abcdef"

DEFAULTS = {
    "require_pin": False, "check_if_owner": True, "is_setup": False, "not_configurable": False,
    "announcement_only": False, "skip_greeting": False, "skip_instructions": False, "skip_envelope": False,
    "play_envelope_action": "play_after", "is_voicemail_ff_rw_enabled": True,
    "seek_duration_ms": 10_000, "hunt": True, "media": {}, "media_extension": "mp3", "transcribe": False,
    "include_message_on_notify": True, "include_transcription_on_notify": True, "notify_email_addresses": [],
    "delete_after_notify": False, "save_after_notify": False, "vm_message_forward_type": "only_forward",
    "after_forward_action": "save", "shared_vmbox": False, "members": [], "numbers": [], "flags": [], "aliases": [],
    "envelope_type": "default", "shared_vmbox_notify_owner_email": False,
}  # fmt: skip
"""Defaults of Kazoo's schema; `flags`, `aliases` and the last two are those of Kazoo 5."""

VALID_VALUES: list[tuple[str, Any]] = [
    ("name", "x" * 128), ("mailbox", "1" * 15), ("owner_id", ID32), ("timezone", "America/Los_Angeles"),
    ("operator_number", 0), ("operator_number", "0"), ("hunt_allow", "^1"), ("hunt_deny", "9" * 256),
    ("media", {"unavailable": ID32, "temporary_unavailable": ID32, "name": ID32}),
    ("greeting_media_id", "media_" + "0" * 26),
    ("media_extension", "mp4"), ("play_envelope_action", "play_before"), ("envelope_type", "caller_and_time"),
    ("seek_duration_ms", 0), ("notify_email_addresses", ["a@b.example"]), ("notify_email", "support@acme.example"),
    ("vm_message_forward_type", "prepend_forward"), ("after_forward_action", "prompt"),
    ("members", [{"id": ID32, "type": "user"}]),
    ("numbers", ["12025550123"]), ("flags", ["red"]), ("aliases", ["2000"]), ("silence_hits", 5),
    ("silence_threshold", 200),
    ("quota_mb", 200), ("pin_secret_ref", "kv:vm:7:pin"),
    ("notify", {"callback": {"number": "5550100", "disabled": False, "schedule": [60, 300], "attempts": 5}}),
    ("notify", {"callback": {"interval_s": 300, "timeout_s": 20}}),
]  # fmt: skip

INVALID_VALUES: list[tuple[str, Any, str, str]] = [
    ("name", "", "minLength", "String must be at least 1 characters"),
    ("name", "x" * 129, "maxLength", "String must not be more than 128 characters"),
    ("mailbox", "1" * 31, "maxLength", "String must not be more than 30 characters"),
    ("mailbox", "1" * 16, "maxLength", "At most 15 digits can be entered at the phone"),
    ("owner_id", "short", "minLength", "String must be at least 32 characters"),
    ("timezone", "Europe/Berln", "wrong_format", "did you mean Europe/Berlin?"),
    ("play_envelope_action", "sometimes", "enum", "Value not found in enumerated list of values"),
    ("envelope_type", "long", "enum", "Value not found in enumerated list of values"),
    ("media_extension", "ogg", "enum", "Value not found in enumerated list of values"),
    ("vm_message_forward_type", "both", "enum", "Value not found in enumerated list of values"),
    ("after_forward_action", "drop", "enum", "Value not found in enumerated list of values"),
    ("seek_duration_ms", -1, "minimum", "Value must be at least 0"),
    ("hunt_allow", "", "minLength", "String must be at least 1 characters"),
    ("hunt_deny", "x" * 257, "maxLength", "String must not be more than 256 characters"),
    ("notify_email_addresses", ["no-address"], "wrong_format", "is not a mail address"),
    ("require_pin", "perhaps", "type", ""),
    ("quota_mb", "much", "type", ""),
    ("keys", {"delete": "1"}, "unique", "used by keep"),
]


def validate_box(**settings: Any) -> dict[str, Any]:
    return {"name": "a box", "mailbox": "1000", **settings}


async def test_defaults_match_kazoo_schema_and_are_stored(app: AppFixture) -> None:
    box = await app.container.boxes.create(app.account, validate_box())
    again = to_document((await app.container.boxes.get(box.id)).settings)
    assert {key: again[key] for key in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(("key", "value"), VALID_VALUES, ids=[f"{key}-{n}" for n, (key, _) in enumerate(VALID_VALUES)])
async def test_valid_value_is_returned_unchanged(app: AppFixture, key: str, value: Any) -> None:
    box = await app.container.boxes.create(app.account, validate_box(**{key: value}))
    assert to_document((await app.container.boxes.get(box.id)).settings)[key] == value


@pytest.mark.parametrize(
    ("key", "value", "rule", "message"), INVALID_VALUES, ids=[f"{bad[0]}-{bad[2]}" for bad in INVALID_VALUES]
)
async def test_schema_violation_uses_kazoo_messages(
    app: AppFixture, key: str, value: Any, rule: str, message: str
) -> None:
    with pytest.raises(InvalidFields) as refused:
        await app.container.boxes.create(app.account, validate_box(**{key: value}))
    [(field, rules)] = refused.value.violations.items()
    assert field.split(".")[0] == key
    assert message in str(rules[rule]["message"])


@pytest.mark.parametrize("missing", ["name", "mailbox"])
async def test_name_and_number_are_required(app: AppFixture, missing: str) -> None:
    document = validate_box()
    del document[missing]
    with pytest.raises(InvalidFields) as refused:
        await app.container.boxes.create(app.account, document)
    assert refused.value.violations == {missing: {"required": {"message": "Field is required but missing"}}}


async def test_convertible_types_are_converted(app: AppFixture) -> None:
    document = validate_box(mailbox=1000, skip_instructions=1, require_pin="true", seek_duration_ms="5000")
    settings = (await app.container.boxes.create(app.account, document)).settings
    assert (settings.mailbox, settings.skip_instructions, settings.require_pin, settings.seek_duration_ms) == (
        "1000", True, True, 5000,
    )  # fmt: skip


async def test_unknown_keys_are_kept(app: AppFixture) -> None:
    box = await app.container.boxes.create(
        app.account, validate_box(some_key="some_value", deep={"a": [1, {"b": None}]})
    )
    stored = to_document((await app.container.boxes.get(box.id)).settings)
    assert stored["some_key"] == "some_value"
    assert stored["deep"]["a"][0] == 1


async def test_pin_is_write_only(app: AppFixture) -> None:
    box = await app.container.boxes.create(app.account, validate_box(pin="2849"))
    row = await app.container.database.read(lambda c: [dict(r) for r in c.execute("SELECT * FROM boxes JOIN secrets")])
    # As a separate word, because ids and hashes contain any digits.
    assert not re.search(r"(?<![0-9a-f])2849(?![0-9a-f])", str(row))
    assert "pin" not in to_document((await app.container.boxes.get(box.id)).settings)
    assert await app.container.secret_store.verify(box.account_id, box.pin_secret_ref, "2849")


@pytest.mark.parametrize(
    ("pin", "rule"),
    [("123", "minLength"), ("1234567", "maxLength"), ("12ab", "pattern")],
)
async def test_pin_with_invalid_format_is_rejected(app: AppFixture, pin: str, rule: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        await app.container.boxes.create(app.account, validate_box(pin=pin))
    assert rule in refused.value.violations["pin"]


@pytest.mark.parametrize("pin", ["0000", "1234", "9876", "1000"])
async def test_weak_pin_of_administrator_is_rejected_once_box_is_set_up(app: AppFixture, pin: str) -> None:
    box = await app.container.boxes.create(app.account, validate_box(pin=pin))
    box = await app.container.boxes.patch(box, {"is_setup": True})
    with pytest.raises(InvalidFields, match="too easy"):
        await app.container.boxes.patch(box, {"pin": pin})


async def test_omitted_pin_is_unchanged_and_null_removes_it(app: AppFixture) -> None:
    box = await app.container.boxes.create(app.account, validate_box(pin="2849"))
    box = await app.container.boxes.replace(box, validate_box(name="renamed"))
    assert await app.container.voicemail_services.pins.has_pin(box)
    box = await app.container.boxes.patch(box, {"pin": None})
    assert not await app.container.voicemail_services.pins.has_pin(box)


async def test_pin_storage_location_is_configurable(app: AppFixture) -> None:
    box = await app.container.boxes.create(app.account, validate_box(pin="2849", pin_secret_ref="kv:vm:7:pin"))
    assert await app.container.secret_store.verify(box.account_id, "kv:vm:7:pin", "2849")


@pytest.mark.parametrize(
    "second",
    [
        {"mailbox": "1000"},
        {"mailbox": "2000"},
        {"mailbox": "1001", "aliases": ["2000"]},
        {"mailbox": "1001", "aliases": ["1000"]},
    ],
)
async def test_number_in_use_in_account_is_rejected(app: AppFixture, second: dict[str, Any]) -> None:
    await app.container.boxes.create(app.account, validate_box(aliases=["2000"]))
    with pytest.raises(InvalidFields) as refused:
        await app.container.boxes.create(app.account, validate_box(**second))
    assert "already exists" in str(refused.value.violations["mailbox"]["unique"]["message"])
    assert len(await app.container.boxes.list_by_account(app.account.id)) == 1


async def test_number_is_free_in_other_account(app: AppFixture) -> None:
    from ivr.directory.models import Account

    await app.container.boxes.create(app.account, validate_box())
    other = await app.container.directory.create_account(Account(name="other"))
    assert await app.container.boxes.create(other, validate_box())


async def test_deleted_box_frees_its_number_and_hides_its_messages(app: AppFixture) -> None:
    box = await app.create_box()
    message = await app.create_message(box)
    await app.container.boxes.delete(box)
    with pytest.raises(NotFound):
        await app.container.boxes.get(box.id)
    with pytest.raises(NotFound):
        await app.container.messages.get(box.id, message.id, 0)
    assert await app.create_box("1000")


async def test_patch_merges_objects_and_null_removes_key(app: AppFixture) -> None:
    box = await app.container.boxes.create(
        app.account, validate_box(timezone="Europe/Berlin", notify={"callback": {"number": "1", "attempts": 3}})
    )
    box = await app.container.boxes.patch(
        box, {"timezone": None, "notify": {"callback": {"attempts": None, "interval_s": 60}}}
    )
    assert to_document(box.settings)["notify"] == {"callback": {"number": "1", "interval_s": 60}}
    assert "timezone" not in to_document(box.settings)


async def test_patch_of_outdated_revision_raises_conflict(app: AppFixture) -> None:
    box = await app.create_box()
    await app.container.boxes.patch(box, {"name": "first"})
    with pytest.raises(Conflict, match="read it again"):
        await app.container.boxes.patch(box, {"name": "second"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text(max_size=3), JSON, max_size=4)


@given(DOCUMENTS, DOCUMENTS)
def test_merge_matches_model(document: dict[str, Any], changes: dict[str, Any]) -> None:
    result = merge_patch(document, changes)
    for key in {*document, *changes}:
        if key not in changes:
            assert result[key] == document[key]
        elif changes[key] is None:
            assert key not in result
        elif not isinstance(changes[key], dict):
            assert result[key] == changes[key]
        elif isinstance(document.get(key), dict):
            assert result[key] == merge_patch(document[key], changes[key])


@pytest.mark.parametrize(
    ("box_zone", "user_zone", "account_zone", "expected"),
    [
        ("Asia/Tokyo", "Europe/Berlin", "America/New_York", "Asia/Tokyo"),
        (None, "Europe/Berlin", "America/New_York", "Europe/Berlin"),
        ("inherit", None, "America/New_York", "America/New_York"),
        ("UTC", "Europe/Berlin", "America/New_York", "UTC"),
    ],
)
async def test_time_zone_is_inherited_from_box_owner_or_account(
    app: AppFixture, box_zone: str | None, user_zone: str | None, account_zone: str, expected: str
) -> None:
    account = await app.container.directory.update_account(app.account.model_copy(update={"timezone": account_zone}))
    owner = await app.container.directory.update_user(app.alice.model_copy(update={"timezone": user_zone}))
    box: Mailbox = await app.container.boxes.create(account, validate_box(owner_id=owner.id, timezone=box_zone))
    assert str(box.zone_info) == expected


async def test_wrong_number_of_a_distribution_list_is_named_by_its_path(app: AppFixture) -> None:
    with pytest.raises(InvalidFields) as refused:
        await app.create_box("1000", distribution_lists={"x": ["1001"]})
    assert list(refused.value.violations) == ["distribution_lists.x"]


async def test_own_number_is_no_alias(app: AppFixture) -> None:
    """Also where nothing is stored yet, as in the plan of a people file."""
    document = validate_box(aliases=["1000", "2000"])
    with pytest.raises(InvalidFields, match="the number of the mailbox itself"):
        app.container.boxes.plan_creation(app.account, document, None)
