"""Nothing that a caller, an owner or a program gives can become an action of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.ami.calls import Destination
from ivr.ami.guard import checked
from ivr.ami.lamps import is_mailbox
from ivr.errors import BadInput


@given(st.text(), st.sampled_from("\r\n\0\x1f\x7f\x85\u2028"), st.text())
def test_a_value_with_a_line_break_or_another_control_character_is_never_sent(
    before: str, control: str, after: str
) -> None:
    with pytest.raises(BadInput, match=r"control character|too long"):
        checked({"Action": "Originate", "Variable": ["A=1", before + control + after]})


def test_a_header_is_a_word() -> None:
    with pytest.raises(BadInput, match="no header"):
        checked({"Action: Originate\r\nChannel": "x"})


def test_what_asterisk_would_cut_is_not_sent() -> None:
    with pytest.raises(BadInput, match="too long"):
        checked({"Action": "Ping", "Data": "x" * 1000})
    with pytest.raises(BadInput, match="too long"):
        checked({"Action": "Ping", "Variable": ["x"] * 120})


@given(st.text(min_size=1))
def test_a_name_that_passes_for_a_mailbox_cannot_leave_its_place_in_the_dialplan(name: str) -> None:
    if is_mailbox(f"{name}@ivr"):
        assert not set(name) & set(",;${}[]()\"'\\ =&|^:\r\n")


@given(st.text(min_size=1))
def test_a_number_that_can_be_called_cannot_leave_its_context(number: str) -> None:
    try:
        Destination(number, "to-owners")
    except BadInput:
        return
    assert not set(number) & set("@/,;&|^${}[]() \r\n")
