"""The dialplan contract: what the arguments of an AGI URL mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.call.arguments import Action, Arguments, parse


def test_every_argument_of_the_contract_is_understood() -> None:
    asked, complaints = parse(
        "check",
        [
            "account=demo", "id=b0x", "var=BOX", "number=1000", "language=en", "reason=busy",
            "interdigit_timeout=1500", "max_message_length=60", "single_mailbox_login=yes",
            "callerid_match_login=true", "skip_module=0", "action=compose",
        ],
    )  # fmt: skip
    assert complaints == []
    assert asked == Arguments(
        action=Action.LEAVE, account="demo", id="b0x", var="BOX", number="1000", language="en", reason="busy",
        interdigit_timeout=1500, max_message_length=60, single_mailbox_login=True, callerid_match_login=True,
    )  # fmt: skip


def test_the_default_action_is_to_leave_a_message() -> None:
    assert parse("", [])[0].action is Action.LEAVE


@pytest.mark.parametrize(
    ("path", "action"), [("check", Action.CHECK), ("/leave", Action.LEAVE), ("compose", Action.LEAVE)]
)
def test_the_path_names_the_action(path: str, action: Action) -> None:
    assert parse(path, [])[0].action is action


def test_another_action_passes_the_caller_by() -> None:
    assert parse("leave", ["action=fax"])[0].action is None


def test_an_unknown_path_is_told_with_the_right_ones() -> None:
    asked, complaints = parse("chekc", [])
    assert asked.action is None
    assert "agi://HOST/check" in complaints[0]


def test_an_unknown_argument_is_told_with_the_right_names_and_the_rest_counts() -> None:
    asked, complaints = parse("check", ["mailbox=1000", "number=1000"])
    assert asked.number == "1000"
    assert len(complaints) == 1
    assert "'mailbox=1000'" in complaints[0]
    assert "number" in complaints[0]


@pytest.mark.parametrize(
    "word",
    [
        "max_message_length=-1",
        "max_message_length=ten",
        "interdigit_timeout=",
        "skip_module=maybe",
        "interdigit_timeout=" + "9" * 5000,
    ],
)
def test_a_value_of_the_wrong_kind_is_told_and_left_out(word: str) -> None:
    asked, complaints = parse("check", [word])
    assert asked == Arguments(action=Action.CHECK)
    assert word.split("=")[0] in complaints[0]


def test_empty_words_are_no_slips() -> None:
    assert parse("check", ["", "  ", "account="])[1] == []


@given(st.text(), st.lists(st.text()))
def test_nothing_that_a_dialplan_can_send_breaks_the_parser(path: str, words: list[str]) -> None:
    asked, complaints = parse(path, words)
    assert isinstance(asked, Arguments)
    assert all(complaint.strip() for complaint in complaints)
