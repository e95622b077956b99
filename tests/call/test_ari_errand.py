"""What the dialplan is told to do fits into an extension, however long the name of the service is."""

from __future__ import annotations

import secrets

import pytest
from pydantic import ValidationError

from ivr.call.ari.errand import LONGEST, Errand, Verb
from ivr.call.ari.settings import AriSettings
from ivr.call.names import gain
from ivr.errors import BadArgument

LONGEST_NAME = "n" * 64


@pytest.mark.parametrize("name", ["ivr", LONGEST_NAME])
@pytest.mark.parametrize("decibels", [-30, 15, 30])
async def test_a_recording_with_the_longest_limits_fits(name: str, decibels: float) -> None:
    words = (secrets.token_hex(16), "1000000", "9999", gain(decibels), "1000020")
    assert len(Errand(Verb.RECORD, *words).extension(name)) <= LONGEST


@pytest.mark.parametrize("name", ["ivr", LONGEST_NAME])
async def test_so_does_all_else_that_is_said_in_every_call(name: str) -> None:
    for errand in (
        Errand(Verb.HOME), Errand(Verb.LEAVE), Errand(Verb.LIMIT, "1000020"), Errand(Verb.STATUS, "NOMESSAGE"),
        Errand(Verb.TOLD, "IVRMESSAGE", f"202611-{secrets.token_hex(16)}"),
    ):  # fmt: skip
        assert len(errand.extension(name)) <= LONGEST


async def test_without_a_word_it_is_an_extension_of_the_dialplan_too() -> None:
    assert Errand(Verb.STATUS, "").extension("ivr") == "status~~"


async def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(BadArgument, match="characters over ARI"):
        Errand(Verb.TOLD, "NAME", "x" * 80).extension("ivr")


@pytest.mark.parametrize("name", ["", "n" * 65, "two words", "ivr~1", "ivr&1", "ivr,1"])
def test_a_name_that_the_dialplan_could_not_say_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        AriSettings(application=name)
