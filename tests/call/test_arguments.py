"""The dialplan contract: what the arguments of an AGI URL mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.call.argument_values import Greeting, Instructions
from ivr.call.arguments import Action, Addressee, Arguments, parse


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


def test_a_list_of_boxes_is_one_and_its_copies() -> None:
    asked, complaints = parse("leave", ["account=acme", "number=1000@default&1001&1002@sales&"])
    assert complaints == []
    assert (asked.number, asked.account) == ("1000", "acme")
    assert asked.copies == (Addressee("1001"), Addressee("1002", "sales"))


@pytest.mark.parametrize(
    ("account", "number", "whose"),
    [("", "1000@sales", "sales"), ("acme", "1000@sales", "sales"), ("acme", "1000", "acme"),
     ("acme", "1000@default", "acme"), ("", "1000@default", "default")],
)  # fmt: skip
def test_the_context_of_a_mailbox_is_an_account(account: str, number: str, whose: str) -> None:
    asked, _ = parse("leave", [f"number={number}", f"account={account}"])
    assert (asked.number, asked.account) == ("1000", whose)


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ("", {"greeting": Greeting.NONE}),
        ("u", {"greeting": Greeting.UNAVAILABLE}),
        ("bs", {"greeting": Greeting.BUSY, "skip_instructions": Instructions.SKIPPED}),
        ("bu", {"greeting": Greeting.BUSY}),
        ("uS", {"greeting": Greeting.UNAVAILABLE, "skip_instructions": Instructions.SKIPPED_IF_GREETED}),
        ("ueU", {"greeting": Greeting.UNAVAILABLE, "early_media": True, "urgent": True}),
        ("uP", {"greeting": Greeting.UNAVAILABLE, "urgent": True}),
        ("ud(menu)g(-6)", {"greeting": Greeting.UNAVAILABLE, "digits_context": "menu", "gain_db": -6.0}),
        ("ud", {"greeting": Greeting.UNAVAILABLE, "digits_context": "here"}),
        ("ut", {"greeting": Greeting.UNAVAILABLE, "beep": "none"}),
        ("ut()", {"greeting": Greeting.UNAVAILABLE, "beep": "none"}),
        ("ut(custom/pip)", {"greeting": Greeting.UNAVAILABLE, "beep": "custom/pip"}),
    ],
)
def test_every_option_of_voicemail_is_taken_over(options: str, meant: dict[str, object]) -> None:
    asked, complaints = parse("leave", [f"options={options}", "exit_context=here"])
    assert complaints == []
    assert asked == Arguments(options=options, exit_context="here", **meant)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "told"),
    [("uz", ["'z'"]), ("u(x)", ["'u(x)'"]), ("ug(loud)", ["gain_db='loud'"]), ("u)q", ["')'", "'q'"])],
)
def test_an_option_that_there_is_not_is_told_in_one_line_and_the_rest_counts(options: str, told: list[str]) -> None:
    asked, complaints = parse("leave", [f"options={options}"])
    assert len(complaints) == len(told)
    assert all(word in complaint for word, complaint in zip(told, sorted(complaints), strict=True))
    assert asked.greeting is (Greeting.NONE if options == "u(x)" else Greeting.UNAVAILABLE)


def test_no_option_of_voicemailmain_opens_a_box() -> None:
    asked, complaints = parse("check", ["number=1000@default", "options=s"])
    assert asked == Arguments(action=Action.CHECK, number="1000", account="default", options="s")
    assert complaints == ["option 's' of VoiceMailMain() is not known here"]


@pytest.mark.parametrize(
    "word", ["greeting=loud", "gain_db=60", "gain_db=nan", "watchdog=0", "skip_instructions=no way"]
)
def test_a_value_that_is_none_of_the_choices_is_told(word: str) -> None:
    asked, complaints = parse("leave", [word])
    assert asked == Arguments()
    assert len(complaints) == 1
