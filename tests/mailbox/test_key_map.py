"""The key map."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.errors import InvalidFields
from ivr.mailbox.key_map import (
    ACTION_ALIASES,
    ACTIONS,
    DEFAULT_BINDINGS,
    VALID_KEYS,
    YIELDING_ACTIONS,
    KeyMap,
    merge_layers,
)

KAZOO_NAMES = {
    "operator", "login", "continue", "save", "listen", "record", "hear_new", "hear_saved", "configure", "exit",
    "record_unavailable", "record_name", "set_pin", "return_main_menu", "keep", "replay", "prev", "next", "delete",
    "rewind", "fastforward",
}  # fmt: skip
FIXED_IN_KAZOO = {
    "forward",
    "callback",
    "record_temporary",
    "delete_temporary",
    "announcement",
    "prepend",
    "plain",
    "cancel",
}


def test_every_action_of_kazoo_can_be_mapped() -> None:
    assert len(KAZOO_NAMES) == 21
    assert KAZOO_NAMES | FIXED_IN_KAZOO <= ACTIONS


@pytest.mark.parametrize(("other", "name"), ACTION_ALIASES.items())
def test_action_alias_of_kazoo_schema_is_accepted(other: str, name: str) -> None:
    moved = merge_layers([(None, {other: "8", "fastforward": ""})])
    assert moved.key_for("settings", name) == "8"


def test_new_action_has_no_key_where_a_site_has_given_it_to_another_one() -> None:
    assert KeyMap().action_for("settings", "8") == "language"
    site = merge_layers([(None, {"record_name": "8"})])
    assert (site.action_for("settings", "8"), site.key_for("settings", "language")) == ("record_name", "")


def test_default_key_map_matches_kazoo() -> None:
    keys = KeyMap()
    assert [keys.action_for("message", key) for key in VALID_KEYS] == [
        "return_main_menu", "keep", "replay", "forward", "prev", "rewind", "next", "delete", "fastforward", "callback",
        "pause", "envelope",
    ]  # fmt: skip


def test_classic_key_map_is_complete() -> None:
    keys = merge_layers([("classic", {})])
    assert {key: keys.action_for("message", key) for key in "456*#8"} == {
        "4": "rewind", "5": "pause", "6": "fastforward", "*": "prev", "#": "next", "8": "envelope",
    }  # fmt: skip
    assert keys.action_for("message", "7") == "delete"


def test_box_keys_override_account_keys_override_system_keys() -> None:
    keys = merge_layers(
        [("standard", {"keep": "", "exit": "*"}), (None, {"keep": "2", "replay": "1"}), (None, {"exit": "9"})]
    )
    assert (keys.key_for("message", "keep"), keys.key_for("message", "replay"), keys.key_for("main", "exit")) == (
        "2",
        "1",
        "9",
    )


def test_named_map_replaces_lower_layers() -> None:
    keys = merge_layers([("standard", {"delete": "9", "callback": "7"}), ("classic", {})])
    assert keys.key_for("message", "delete") == "7"


def test_two_actions_on_one_key_are_rejected() -> None:
    with pytest.raises(InvalidFields, match="Key 1 of the message menu is used by keep already"):
        merge_layers([(None, {"delete": "1"})])


@pytest.mark.parametrize(("name", "key"), [("fly", "1"), ("delete", "12"), ("delete", "A")])
def test_unknown_action_or_key_is_rejected(name: str, key: str) -> None:
    with pytest.raises(InvalidFields, match="enumerated"):
        merge_layers([(None, {name: key})])


CHANGES = st.dictionaries(st.sampled_from(sorted(ACTIONS)), st.sampled_from([*VALID_KEYS, ""]), max_size=6)


@given(CHANGES, CHANGES)
def test_key_of_any_accepted_map_has_one_action(account: dict[str, str], box: dict[str, str]) -> None:
    try:
        keys = merge_layers([("standard", {}), (None, account), (None, box)])
    except InvalidFields:
        return
    chosen = {**account, **box}
    taken = {(row.menu, chosen[row.action]) for row in DEFAULT_BINDINGS if row.action in chosen}
    for row in DEFAULT_BINDINGS:
        key = keys.key_for(row.menu, row.action)
        assert key == "" or keys.action_for(row.menu, key) == row.action
        yields = row.action in YIELDING_ACTIONS and row.action not in chosen and (row.menu, row.key) in taken
        assert key == ("" if yields else chosen.get(row.action, row.key))


@pytest.mark.parametrize("action", sorted(YIELDING_ACTIONS))
def test_site_that_uses_the_key_of_a_newer_action_keeps_it(action: str) -> None:
    row = next(row for row in DEFAULT_BINDINGS if row.action == action)
    older = next(r for r in reversed(DEFAULT_BINDINGS) if r.menu == row.menu and r.action not in YIELDING_ACTIONS)
    in_other_menus = {r.menu for r in DEFAULT_BINDINGS if r.action == older.action} - {row.menu}
    moved = {r.action: "" for r in DEFAULT_BINDINGS if r.menu in in_other_menus and r.key == row.key}
    keys = merge_layers(
        [(None, {name: "" for name in moved if name not in YIELDING_ACTIONS} | {older.action: row.key})]
    )
    assert keys.action_for(row.menu, row.key) == older.action
    assert keys.key_for(row.menu, action) == ""
