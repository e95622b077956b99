"""Dialplan actions fit into an extension, however long the name of the application is."""

from __future__ import annotations

import secrets

import pytest
from pydantic import ValidationError

from ivr.call.ari.channel import MAX_EXTENSION_BYTES, DialplanAction, Verb, split_value
from ivr.call.ari.settings import AriSettings
from ivr.call.incoming import volume_adjustment
from ivr.errors import BadArgument

LONGEST_NAME = "n" * 64


@pytest.mark.parametrize("name", ["ivr", LONGEST_NAME])
@pytest.mark.parametrize("decibels", [-30, 15, 30])
async def test_record_action_with_max_values_fits_extension(name: str, decibels: float) -> None:
    words = (secrets.token_hex(16), "1000000", "9999", volume_adjustment(decibels), "1000020")
    assert len(DialplanAction(Verb.RECORD, *words).build_extension(name)) <= MAX_EXTENSION_BYTES


@pytest.mark.parametrize("name", ["ivr", LONGEST_NAME])
async def test_every_standard_action_fits_extension(name: str) -> None:
    for action in (
        DialplanAction(Verb.REMEMBER_APP),
        DialplanAction(Verb.CONTINUE),
        DialplanAction(Verb.SET_TIMEOUT, "1000020"),
        DialplanAction(Verb.STATUS, "NOMESSAGE"),
        DialplanAction(Verb.SET_VARIABLE, "IVR_MESSAGE_ID", f"202611-{secrets.token_hex(16)}"),
    ):
        assert len(action.build_extension(name)) <= MAX_EXTENSION_BYTES


async def test_action_without_argument_is_a_valid_extension() -> None:
    assert DialplanAction(Verb.STATUS, "").build_extension("ivr") == "status~~"


async def test_action_too_long_for_extension_raises() -> None:
    with pytest.raises(BadArgument, match="characters, at most 79"):
        DialplanAction(Verb.SET_VARIABLE, "NAME", "x" * 80).build_extension("ivr")


@pytest.mark.parametrize("value", ["", "Zoë Weiß " * 30, "~" * 100, "1"])
async def test_long_value_is_set_in_pieces_that_fit(value: str) -> None:
    pieces = split_value("DIRECTORY_RESULT", value)
    assert "".join(pieces) == value
    for piece in pieces:
        for verb in (Verb.SET_VARIABLE, Verb.ADD_TO_VARIABLE):
            DialplanAction(verb, "DIRECTORY_RESULT", piece).build_extension(LONGEST_NAME)


@pytest.mark.parametrize("name", ["", "n" * 65, "two words", "ivr~1", "ivr&1", "ivr,1"])
def test_invalid_application_name_is_rejected(name: str) -> None:
    with pytest.raises(ValidationError):
        AriSettings(application=name)
