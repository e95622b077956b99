"""Boxes: every key, its type, limits and default; numbers; changes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.errors import Conflict, InvalidFields, NotFound
from ivr.mailbox.boxes import merged, public
from ivr.mailbox.mailbox import Mailbox
from tests.support.house import House

ID32 = "0123456789abcdef0123456789abcdef"

DEFAULTS = {
    "require_pin": False, "check_if_owner": True, "is_setup": False, "not_configurable": False,
    "announcement_only": False, "skip_greeting": False, "skip_instructions": False, "skip_envelope": False,
    "play_envelope_action": "play_after", "oldest_message_first": False, "is_voicemail_ff_rw_enabled": True,
    "seek_duration_ms": 10_000, "hunt": True, "media": {}, "media_extension": "mp3", "transcribe": False,
    "include_message_on_notify": True, "include_transcription_on_notify": True, "notify_email_addresses": [],
    "delete_after_notify": False, "save_after_notify": False, "vm_message_forward_type": "only_forward",
    "after_forward_action": "save", "shared_vmbox": False, "members": [], "numbers": [], "flags": [], "aliases": [],
    "envelope_type": "default", "shared_vmbox_notify_owner_email": False,
}  # fmt: skip
"""What the seed's table says; `flags`, `aliases` and the last two are empty or Kazoo 5's."""

GOOD: list[tuple[str, Any]] = [
    ("name", "x" * 128), ("mailbox", "1" * 30), ("owner_id", ID32), ("timezone", "America/Los_Angeles"),
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

BAD: list[tuple[str, Any, str, str]] = [
    ("name", "", "minLength", "String must be at least 1 characters"),
    ("name", "x" * 129, "maxLength", "String must not be more than 128 characters"),
    ("mailbox", "1" * 31, "maxLength", "String must not be more than 30 characters"),
    ("owner_id", "short", "minLength", "String must be at least 32 characters"),
    ("timezone", "UTC", "minLength", "String must be at least 5 characters"),
    ("play_envelope_action", "sometimes", "enum", "Value not found in enumerated list of values"),
    ("envelope_type", "long", "enum", "Value not found in enumerated list of values"),
    ("media_extension", "ogg", "enum", "Value not found in enumerated list of values"),
    ("vm_message_forward_type", "both", "enum", "Value not found in enumerated list of values"),
    ("after_forward_action", "delete", "enum", "Value not found in enumerated list of values"),
    ("seek_duration_ms", -1, "minimum", "Value must be at least 0"),
    ("hunt_allow", "", "minLength", "String must be at least 1 characters"),
    ("hunt_deny", "x" * 257, "maxLength", "String must not be more than 256 characters"),
    ("notify_email_addresses", ["nobody"], "wrong_format", "Value is not of the right format"),
    ("require_pin", "perhaps", "type", ""),
    ("quota_mb", "much", "type", ""),
    ("keys", {"delete": "1"}, "unique", "taken by keep"),
]


def box_with(**settings: Any) -> dict[str, Any]:
    return {"name": "a box", "mailbox": "1000", **settings}


async def test_defaults_are_the_seeds_and_are_written_into_the_box(house: House) -> None:
    box = await house.app.boxes.create(house.account, box_with())
    again = public((await house.app.boxes.get(box.id)).settings)
    assert {key: again[key] for key in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(("key", "value"), GOOD, ids=[f"{key}-{n}" for n, (key, _) in enumerate(GOOD)])
async def test_every_key_is_kept_as_it_was_given(house: House, key: str, value: Any) -> None:
    box = await house.app.boxes.create(house.account, box_with(**{key: value}))
    assert public((await house.app.boxes.get(box.id)).settings)[key] == value


@pytest.mark.parametrize(("key", "value", "rule", "message"), BAD, ids=[f"{bad[0]}-{bad[2]}" for bad in BAD])
async def test_what_breaks_the_schema_is_told_in_kazoos_words(
    house: House, key: str, value: Any, rule: str, message: str
) -> None:
    with pytest.raises(InvalidFields) as refused:
        await house.app.boxes.create(house.account, box_with(**{key: value}))
    [(field, rules)] = refused.value.violations.items()
    assert field.split(".")[0] == key
    assert message in str(rules[rule]["message"])


@pytest.mark.parametrize("missing", ["name", "mailbox"])
async def test_name_and_number_are_required(house: House, missing: str) -> None:
    document = box_with()
    del document[missing]
    with pytest.raises(InvalidFields) as refused:
        await house.app.boxes.create(house.account, document)
    assert refused.value.violations == {missing: {"required": {"message": "Field is required but missing"}}}


async def test_simple_slips_of_type_are_put_right(house: House) -> None:
    document = box_with(mailbox=1000, skip_instructions=1, require_pin="true", seek_duration_ms="5000")
    settings = (await house.app.boxes.create(house.account, document)).settings
    assert (settings.mailbox, settings.skip_instructions, settings.require_pin, settings.seek_duration_ms) == (
        "1000", True, True, 5000,
    )  # fmt: skip


async def test_unknown_keys_are_kept(house: House) -> None:
    box = await house.app.boxes.create(house.account, box_with(some_key="some_value", deep={"a": [1, {"b": None}]}))
    kept = public((await house.app.boxes.get(box.id)).settings)
    assert kept["some_key"] == "some_value"
    assert kept["deep"]["a"][0] == 1


async def test_a_pin_goes_in_and_never_comes_out(house: House) -> None:
    box = await house.app.boxes.create(house.account, box_with(pin="2468"))
    row = await house.app.database.read(lambda c: [dict(r) for r in c.execute("SELECT * FROM boxes JOIN secrets")])
    # As a word of its own: ids and hashes have any digits in them.
    assert not re.search(r"(?<![0-9a-f])2468(?![0-9a-f])", str(row))
    assert "pin" not in public((await house.app.boxes.get(box.id)).settings)
    assert await house.app.secrets.matches(box.account_id, box.pin_ref, "2468")


@pytest.mark.parametrize(
    ("pin", "rule"),
    [("123", "minLength"), ("1234567", "maxLength"), ("12ab", "pattern")],
)
async def test_a_pin_has_four_to_six_digits(house: House, pin: str, rule: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        await house.app.boxes.create(house.account, box_with(pin=pin))
    assert rule in refused.value.violations["pin"]


@pytest.mark.parametrize("pin", ["0000", "1234", "9876", "1000"])
async def test_an_administrator_may_set_a_weak_pin_only_until_the_box_is_set_up(house: House, pin: str) -> None:
    box = await house.app.boxes.create(house.account, box_with(pin=pin))
    box = await house.app.boxes.patch(box, {"is_setup": True})
    with pytest.raises(InvalidFields, match="too easy"):
        await house.app.boxes.patch(box, {"pin": pin})


async def test_a_pin_that_is_not_named_stays_and_null_removes_it(house: House) -> None:
    box = await house.app.boxes.create(house.account, box_with(pin="2468"))
    box = await house.app.boxes.replace(box, box_with(name="renamed"))
    assert await house.app.mailroom.pins.has_one(box)
    box = await house.app.boxes.patch(box, {"pin": None})
    assert not await house.app.mailroom.pins.has_one(box)


async def test_where_the_pin_is_kept_can_be_said(house: House) -> None:
    box = await house.app.boxes.create(house.account, box_with(pin="2468", pin_secret_ref="kv:vm:7:pin"))
    assert await house.app.secrets.matches(box.account_id, "kv:vm:7:pin", "2468")


@pytest.mark.parametrize(
    "second",
    [
        {"mailbox": "1000"},
        {"mailbox": "2000"},
        {"mailbox": "1001", "aliases": ["2000"]},
        {"mailbox": "1001", "aliases": ["1000"]},
    ],
)
async def test_a_number_belongs_to_one_box_of_the_account(house: House, second: dict[str, Any]) -> None:
    await house.app.boxes.create(house.account, box_with(aliases=["2000"]))
    with pytest.raises(InvalidFields) as refused:
        await house.app.boxes.create(house.account, box_with(**second))
    assert "already exists" in str(refused.value.violations["mailbox"]["unique"]["message"])
    assert len(await house.app.boxes.of_account(house.account.id)) == 1


async def test_in_another_account_the_number_is_free(house: House) -> None:
    from ivr.directory.people import Account

    await house.app.boxes.create(house.account, box_with())
    other = await house.app.directory.create_account(Account(name="other"))
    assert await house.app.boxes.create(other, box_with())


async def test_a_deleted_box_frees_its_number_and_takes_its_messages(house: House) -> None:
    box = await house.box()
    message = await house.message(box)
    await house.app.boxes.delete(box)
    with pytest.raises(NotFound):
        await house.app.boxes.get(box.id)
    with pytest.raises(NotFound):
        await house.app.messages.get(box.id, message.id, 0)
    assert await house.box("1000")


async def test_patch_merges_and_null_takes_away(house: House) -> None:
    box = await house.app.boxes.create(
        house.account, box_with(timezone="Europe/Berlin", notify={"callback": {"number": "1", "attempts": 3}})
    )
    box = await house.app.boxes.patch(
        box, {"timezone": None, "notify": {"callback": {"attempts": None, "interval_s": 60}}}
    )
    assert public(box.settings)["notify"] == {"callback": {"number": "1", "interval_s": 60}}
    assert "timezone" not in public(box.settings)


async def test_two_writers_at_once_do_not_lose_each_others_changes(house: House) -> None:
    box = await house.box()
    await house.app.boxes.patch(box, {"name": "first"})
    with pytest.raises(Conflict, match="read it again"):
        await house.app.boxes.patch(box, {"name": "second"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text(max_size=3), JSON, max_size=4)


@given(DOCUMENTS, DOCUMENTS)
def test_merging_is_what_the_simple_model_says(document: dict[str, Any], changes: dict[str, Any]) -> None:
    result = merged(document, changes)
    for key in {*document, *changes}:
        if key not in changes:
            assert result[key] == document[key]
        elif changes[key] is None:
            assert key not in result
        elif not isinstance(changes[key], dict):
            assert result[key] == changes[key]
        elif isinstance(document.get(key), dict):
            assert result[key] == merged(document[key], changes[key])


@pytest.mark.parametrize(
    ("box_zone", "user_zone", "account_zone", "expected"),
    [
        ("Asia/Tokyo", "Europe/Berlin", "America/New_York", "Asia/Tokyo"),
        (None, "Europe/Berlin", "America/New_York", "Europe/Berlin"),
        ("inherit", None, "America/New_York", "America/New_York"),
        ("Mars/Olympus", None, "UTC", "UTC"),
    ],
)
async def test_the_time_zone_is_the_boxs_else_the_owners_else_the_accounts(
    house: House, box_zone: str | None, user_zone: str | None, account_zone: str, expected: str
) -> None:
    account = await house.app.directory.update_account(house.account.model_copy(update={"timezone": account_zone}))
    owner = await house.app.directory.update_user(house.alice.model_copy(update={"timezone": user_zone}))
    box: Mailbox = await house.app.boxes.create(account, box_with(owner_id=owner.id, timezone=box_zone))
    assert str(box.zone) == expected
