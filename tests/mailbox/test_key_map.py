"""The key map."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.errors import InvalidFields
from ivr.mailbox.key_map import ACTIONS, KEYS, OTHER_SPELLINGS, TABLE, KeyMap, layered

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


def test_all_21_names_of_kazoo_and_those_it_fixed_can_be_given_a_key() -> None:
    assert len(KAZOO_NAMES) == 21
    assert KAZOO_NAMES | FIXED_IN_KAZOO <= ACTIONS


@pytest.mark.parametrize(("other", "name"), OTHER_SPELLINGS.items())
def test_both_spellings_are_accepted(other: str, name: str) -> None:
    moved = layered([(None, {other: "8", "fastforward": ""})])
    assert moved.key("settings", name) == "8"


def test_default_key_map_matches_kazoo() -> None:
    keys = KeyMap()
    assert [keys.action("message", key) for key in KEYS] == [
        "return_main_menu", "keep", "replay", "forward", "prev", "rewind", "next", "delete", "fastforward", "callback",
        "pause", "envelope",
    ]  # fmt: skip


def test_classic_key_map_is_complete() -> None:
    keys = layered([("classic", {})])
    assert {key: keys.action("message", key) for key in "456*#8"} == {
        "4": "rewind", "5": "pause", "6": "fastforward", "*": "prev", "#": "next", "8": "envelope",
    }  # fmt: skip
    assert keys.action("message", "7") == "delete"


def test_box_keys_override_account_keys_override_system_keys() -> None:
    keys = layered(
        [("standard", {"keep": "", "exit": "*"}), (None, {"keep": "2", "replay": "1"}), (None, {"exit": "9"})]
    )
    assert (keys.key("message", "keep"), keys.key("message", "replay"), keys.key("main", "exit")) == ("2", "1", "9")


def test_named_map_replaces_lower_layers() -> None:
    keys = layered([("standard", {"delete": "9", "callback": "7"}), ("classic", {})])
    assert keys.key("message", "delete") == "7"


def test_two_actions_on_one_key_are_refused() -> None:
    with pytest.raises(InvalidFields, match="Key 1 of the message menu is taken by keep"):
        layered([(None, {"delete": "1"})])


@pytest.mark.parametrize(("name", "key"), [("fly", "1"), ("delete", "12"), ("delete", "A")])
def test_an_action_or_key_that_does_not_exist_is_refused(name: str, key: str) -> None:
    with pytest.raises(InvalidFields, match="enumerated"):
        layered([(None, {name: key})])


CHANGES = st.dictionaries(st.sampled_from(sorted(ACTIONS)), st.sampled_from([*KEYS, ""]), max_size=6)


@given(CHANGES, CHANGES)
def test_in_every_map_that_is_accepted_a_key_does_one_thing(account: dict[str, str], box: dict[str, str]) -> None:
    try:
        keys = layered([("standard", {}), (None, account), (None, box)])
    except InvalidFields:
        return
    for row in TABLE:
        key = keys.key(row.menu, row.action)
        assert key == "" or keys.action(row.menu, key) == row.action
        assert key == box.get(row.action, account.get(row.action, row.key))
