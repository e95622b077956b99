"""The settings of the system and their overrides by an account."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.voicemail_settings import VoicemailSettings
from tests.support.app_fixture import AppFixture


@pytest.mark.parametrize("name", ["callback_context", "operator_context", "hunt_context"])
@pytest.mark.parametrize("value", ["x,1)}${SHELL(id", "two words", "a" * 80, "a;b"])
def test_dialplan_context_with_special_characters_is_rejected(name: str, value: str) -> None:
    """The value is used in a dialplan expression, and an account may set it."""
    with pytest.raises(ValidationError):
        VoicemailSettings().validated_with({name: value})
    assert getattr(VoicemailSettings().merged_with({name: "from-inside_2.x"}), name) == "from-inside_2.x"


def test_call_back_operator_and_hunting_are_disabled_by_default() -> None:
    defaults = VoicemailSettings()
    assert (defaults.callback_context, defaults.operator_context, defaults.hunt_context) == ("", "", "")


def test_callers_may_mark_messages_urgent_by_default() -> None:
    assert BoxSettings(name="x", mailbox="1").callers_may_mark_urgent is True


@pytest.mark.parametrize("value", ["", "0)", "1" * 37])
def test_operator_key_that_is_no_extension_is_rejected(value: str) -> None:
    with pytest.raises(ValidationError):
        VoicemailSettings().validated_with({"operator_key": value})


async def test_limit_of_the_system_that_contradicts_an_account_closes_no_mailbox(app: AppFixture) -> None:
    """The account was set up before the administrator of the system asked for longer PINs."""
    stored = {"max_pin_length": 5, "operator_key": "0)", "clock": "24h"}
    app.account = await app.container.directory.update_account(app.account.model_copy(update={"settings": stored}))
    system = VoicemailSettings(min_pin_length=8, max_pin_length=10, min_message_size=9000, min_speech_ms=9000)
    merged = system.merged_with(stored)
    assert (merged.operator_key, merged.clock) == ("0", "24h")
    assert list(system.unusable(stored)) == ["operator_key", "max_pin_length"], "which the doctor names"
    box = replace(await app.create_box(max_message_length=4), voicemail_settings=merged)
    assert box.pin_lengths == range(8, 9)
    assert (box.min_recording_ms, box.min_speech_ms) == (2000, 2000)
