"""The system's settings, and an account's changes to them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.voicemail_settings import VoicemailSettings


@pytest.mark.parametrize("name", ["callback_context", "operator_context", "hunt_context"])
@pytest.mark.parametrize("value", ["x,1)}${SHELL(id", "two words", "a" * 80, "a;b"])
def test_a_context_is_a_plain_name(name: str, value: str) -> None:
    """It stands in a dialplan expression, and an account may set its own."""
    with pytest.raises(ValidationError):
        VoicemailSettings().merged_with({name: value})
    assert getattr(VoicemailSettings().merged_with({name: "from-inside_2.x"}), name) == "from-inside_2.x"


def test_call_back_operator_and_hunting_are_disabled_by_default() -> None:
    shipped = VoicemailSettings()
    assert (shipped.callback_context, shipped.operator_context, shipped.hunt_context) == ("", "", "")


def test_callers_may_mark_messages_urgent_unless_the_box_says_otherwise() -> None:
    assert BoxSettings(name="x", mailbox="1").callers_may_mark_urgent is True


@pytest.mark.parametrize("value", ["", "0)", "1" * 37])
def test_an_operator_is_an_extension(value: str) -> None:
    with pytest.raises(ValidationError):
        VoicemailSettings().merged_with({"operator_key": value})
