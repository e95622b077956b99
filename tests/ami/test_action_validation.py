"""Values from callers, owners and programs cannot inject headers or actions into AMI."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.ami.actions import OriginateTarget
from ivr.ami.client import validate_action
from ivr.errors import BadInput
from ivr.validation.numbers import is_mwi_mailbox


@given(st.text(), st.sampled_from("\r\n\0\x1f\x7f\x85\u2028"), st.text())
def test_value_with_control_character_is_rejected(before: str, control: str, after: str) -> None:
    with pytest.raises(BadInput, match=r"control character|too long"):
        validate_action({"Action": "Originate", "Variable": ["A=1", before + control + after]})


def test_action_header_must_be_a_single_word() -> None:
    with pytest.raises(BadInput, match="invalid AMI header name"):
        validate_action({"Action: Originate\r\nChannel": "x"})


def test_oversized_ami_action_is_rejected() -> None:
    with pytest.raises(BadInput, match="too long"):
        validate_action({"Action": "Ping", "Data": "x" * 1000})
    with pytest.raises(BadInput, match="too long"):
        validate_action({"Action": "Ping", "Variable": ["x"] * 120})


@given(st.text(min_size=1))
def test_valid_mailbox_name_cannot_break_out_of_dialplan_expression(name: str) -> None:
    if is_mwi_mailbox(f"{name}@ivr"):
        assert not set(name) & set(",;${}[]()\"'\\ =&|^:\r\n")


@given(st.text(min_size=1))
def test_callable_number_cannot_leave_its_context(number: str) -> None:
    try:
        OriginateTarget(number, "to-owners")
    except BadInput:
        return
    assert not set(number) & set("@/,;&|^${}[]() \r\n")
