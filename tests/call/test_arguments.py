"""The dialplan contract: what the arguments of an AGI URL mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr import __version__
from ivr.call.arguments import Action, Arguments, GreetingChoice, InstructionsChoice, Recipient, parse
from ivr.call.incoming import present_caller


def test_every_argument_of_the_contract_is_understood() -> None:
    arguments, complaints = parse(
        "check",
        [
            "account=demo", "id=b0x", "var=BOX", "number=1000", "language=en", "reason=busy",
            "interdigit_timeout=1500", "max_message_length=60", "single_mailbox_login=yes",
            "callerid_match_login=true", "skip_module=0", "action=compose",
        ],
    )  # fmt: skip
    assert complaints == []
    assert arguments == Arguments(
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


def test_foreign_action_is_not_handled() -> None:
    assert parse("leave", ["action=fax"])[0].action is None


def test_unknown_path_error_lists_valid_paths() -> None:
    arguments, complaints = parse("chekc", [])
    assert arguments.action is None
    assert "agi://HOST/check" in complaints[0]


def test_unknown_argument_is_reported_and_others_apply() -> None:
    arguments, complaints = parse("check", ["mailbox=1000", "number=1000"])
    assert arguments.number == "1000"
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
def test_invalid_value_is_reported_and_ignored(word: str) -> None:
    arguments, complaints = parse("check", [word])
    assert arguments == Arguments(action=Action.CHECK)
    assert word.split("=")[0] in complaints[0]


def test_empty_words_are_not_errors() -> None:
    assert parse("check", ["", "  ", "account="])[1] == []


@given(st.text(), st.lists(st.text()))
def test_parser_accepts_any_dialplan_input(path: str, words: list[str]) -> None:
    arguments, complaints = parse(path, words)
    assert isinstance(arguments, Arguments)
    assert all(complaint.strip() for complaint in complaints)


def test_box_list_is_first_box_and_copies() -> None:
    arguments, complaints = parse("leave", ["account=acme", "number=1000@default&1001&1002@sales&"])
    assert complaints == []
    assert (arguments.number, arguments.account) == ("1000", "acme")
    assert arguments.copies == (Recipient("1001"), Recipient("1002", "sales"))


@pytest.mark.parametrize(
    ("account", "number", "whose"),
    [("", "1000@sales", "sales"), ("acme", "1000@sales", "sales"), ("acme", "1000", "acme"),
     ("acme", "1000@default", "acme"), ("", "1000@default", "default")],
)  # fmt: skip
def test_the_context_of_a_mailbox_is_an_account(account: str, number: str, whose: str) -> None:
    arguments, _ = parse("leave", [f"number={number}", f"account={account}"])
    assert (arguments.number, arguments.account) == ("1000", whose)


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ("", {"greeting": GreetingChoice.NONE}),
        ("u", {"greeting": GreetingChoice.UNAVAILABLE}),
        ("bs", {"greeting": GreetingChoice.BUSY, "skip_instructions": InstructionsChoice.SKIP}),
        ("bu", {"greeting": GreetingChoice.BUSY}),
        (
            "uS",
            {"greeting": GreetingChoice.UNAVAILABLE, "skip_instructions": InstructionsChoice.SKIP_IF_GREETING_RECORDED},
        ),
        ("ueU", {"greeting": GreetingChoice.UNAVAILABLE, "early_media": True, "urgent": True}),
        ("uP", {"greeting": GreetingChoice.UNAVAILABLE, "urgent": True}),
        ("ud(menu)g(-6)", {"greeting": GreetingChoice.UNAVAILABLE, "digits_context": "menu", "gain_db": -6.0}),
        ("ud", {"greeting": GreetingChoice.UNAVAILABLE, "digits_context": "here"}),
        ("ut", {"greeting": GreetingChoice.UNAVAILABLE, "beep": "none"}),
        ("ut()", {"greeting": GreetingChoice.UNAVAILABLE, "beep": "none"}),
        ("ut(custom/pip)", {"greeting": GreetingChoice.UNAVAILABLE, "beep": "custom/pip"}),
    ],
)
def test_every_voicemail_option_is_translated(options: str, meant: dict[str, object]) -> None:
    arguments, complaints = parse("leave", [f"options={options}", "exit_context=here"])
    assert complaints == []
    assert arguments == Arguments(options=options, exit_context="here", **meant)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "reported"),
    [("uz", ["'z'"]), ("u(x)", ["'u(x)'"]), ("ug(loud)", ["gain_db='loud'"]), ("u)q", ["')'", "'q'"])],
)
def test_unknown_option_is_reported_and_others_apply(options: str, reported: list[str]) -> None:
    arguments, complaints = parse("leave", [f"options={options}"])
    assert len(complaints) == len(reported)
    assert all(word in complaint for word, complaint in zip(reported, sorted(complaints), strict=True))
    assert arguments.greeting is (GreetingChoice.NONE if options == "u(x)" else GreetingChoice.UNAVAILABLE)


def test_voicemailmain_options_never_skip_pin() -> None:
    arguments, complaints = parse("check", ["number=1000@default", "options=s"])
    assert arguments == Arguments(action=Action.CHECK, number="1000", account="default", options="s")
    assert complaints == ["option 's' of VoiceMailMain() is not supported"]


@pytest.mark.parametrize(
    "word", ["greeting=loud", "gain_db=60", "gain_db=nan", "watchdog=0", "skip_instructions=no way"]
)
def test_value_outside_choices_is_reported(word: str) -> None:
    arguments, complaints = parse("leave", [word])
    assert arguments == Arguments()
    assert len(complaints) == 1


def test_dialplan_of_another_version_is_a_warning_and_the_call_goes_on() -> None:
    same, none = parse("leave", ["number=1000", f"dialplan={__version__}"])
    assert (same.number, none) == ("1000", [])
    assert parse("leave", ["dialplan="])[1] == [], "a dialplan that does not name it"
    other, [warning] = parse("leave", ["number=1000", "dialplan=0.0.9"])
    assert other.number == "1000"
    assert f"the dialplan is of ivr 0.0.9, the service of {__version__}: run 'ivr install'" in warning


@pytest.mark.parametrize("presentation", ["32", "33", "35", "prohib", "prohib_not_screened", "prohib_failed_screen"])
def test_number_that_caller_withholds_is_not_shown(presentation: str) -> None:
    assert present_caller("5550100", "Ann", presentation) == ("anonymous", "")


@pytest.mark.parametrize("presentation", ["", "0", "1", "3", "67", "allowed", "allowed_passed_screen", "unavailable"])
def test_number_that_caller_presents_is_shown(presentation: str) -> None:
    assert present_caller("5550100", "Ann", presentation) == ("5550100", "Ann")
