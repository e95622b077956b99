"""A box that only plays its greeting."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.call.scripted import HangUp, Press, ScriptedCall, Silence, Step
from ivr.mailbox.store import MediaKind
from tests.support.house import House

GREETING = "(greeting of 1000)"
PIN = "Please enter your pin, then press pound."


async def reach(house: House, *script: Step, **how: Any) -> ScriptedCall:
    box = await house.box(owner=house.alice, announcement_only=True, play_greeting_intro=True, **how.pop("box", {}))
    await house.uses(box, MediaKind.UNAVAILABLE)
    return await house.call(script, path="leave", number="1000", **how)


async def test_the_greeting_and_no_more(house: House) -> None:
    phone = await reach(house)
    assert phone.texts == [GREETING]
    assert phone.status == "DONE"


async def test_keys_are_ignored(house: House) -> None:
    phone = await reach(house, *[Press(key, after_ms=100) for key in "0123456789#"])
    assert phone.texts == [GREETING]
    assert phone.heard[0].to_ms == 2000
    assert phone.status == "DONE"


async def test_star_signs_in(house: House) -> None:
    phone = await reach(house, Press("*", after_ms=100), HangUp(during="pin"))
    assert phone.texts == [GREETING, PIN]


async def test_a_key_may_pass_it_by(house: House) -> None:
    assert (await reach(house, Press("5"), box={"keys": {"continue": "5"}})).status == "EXIT"


@pytest.mark.parametrize("check_if_owner", [True, False])
async def test_its_owner_is_signed_in(house: House, check_if_owner: bool) -> None:
    phone = await reach(house, *[Silence()] * 5, endpoint="alice", box={"check_if_owner": check_if_owner})
    assert GREETING not in phone.texts
    assert PIN not in phone.texts
    assert "To record your greeting, press one." in phone.texts[0], "the settings"


async def test_a_full_one_is_still_heard(house: House) -> None:
    """Nobody leaves a message there anyway."""
    await house.app.directory.update_account(house.account.model_copy(update={"settings": {"max_message_count": 1}}))
    await reach(house)
    box = await house.app.boxes.by_number(house.account.id, "1000")
    assert box
    await house.message(box)
    assert (await house.call((), path="leave", number="1000")).texts == [GREETING]
