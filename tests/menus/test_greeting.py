"""What a caller is greeted with, and what each key does meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.call.scripted import HangUp, Meanwhile, Press, ScriptedCall, Speak, Step
from ivr.errors import UnplayableSound
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.store import MediaKind
from tests.support.house import House

NUMBER = "The person at extension one zero zero zero is not available."
NAME = "(name of 1000)"
OWN = "(greeting of 1000)"
TEMPORARY = "(temporary greeting of 1000)"
INTRO = "Your call could not be answered."
NOBODY = "Nobody is available to take your call."
INSTRUCTIONS = "Please leave your message after the tone. When you have finished, hang up, or press any key."
BEEP = "(beep)"
PIN = "Please enter your pin, then press pound."


async def reach(house: House, *script: Step, **how: Any) -> ScriptedCall:
    return await house.call(script, path="leave", number="1000", **how)


async def greeted(house: House, **how: Any) -> list[str]:
    """What is heard before the instructions."""
    phone = await reach(house, HangUp(during="Please leave"), **how)
    return phone.texts[: phone.texts.index(INSTRUCTIONS)]


async def test_the_number_where_the_owner_has_recorded_nothing(house: House) -> None:
    await house.box()
    assert await greeted(house) == [NUMBER]


async def test_the_owners_name_where_there_is_no_greeting(house: House) -> None:
    await house.uses(await house.box(), MediaKind.NAME)
    assert await greeted(house) == [NAME, "is not available."]


async def test_the_owners_own_greeting_comes_before_a_generic_one(house: House) -> None:
    await house.uses(await house.box(), MediaKind.UNAVAILABLE, MediaKind.NAME)
    assert await greeted(house) == [OWN]


async def test_a_temporary_greeting_comes_before_any_other_until_its_day(house: House) -> None:
    until = int(house.clock.now()) + 3600
    await house.uses(await house.box(), MediaKind.UNAVAILABLE, MediaKind.TEMPORARY, temporary_until=until)
    assert await greeted(house) == [TEMPORARY]
    house.clock.advance(s=3600)
    assert await greeted(house) == [OWN]


async def test_without_a_temporary_greeting_the_own_one_is_heard_again(house: House) -> None:
    box = await house.uses(await house.box(), MediaKind.UNAVAILABLE, MediaKind.TEMPORARY)
    assert await greeted(house) == [TEMPORARY]
    await house.app.boxes.patch(box, {"media": {"temporary_unavailable": None}})
    assert await greeted(house) == [OWN]


async def test_a_generic_greeting_may_name_nobody(house: House) -> None:
    box = await house.uses(await house.box(use_person_not_available=True), MediaKind.NAME)
    assert await greeted(house) == [NOBODY]
    await house.uses(box, MediaKind.UNAVAILABLE)
    assert await greeted(house) == [OWN]


async def test_a_sentence_before_the_greeting(house: House) -> None:
    await house.box(play_greeting_intro=True)
    assert await greeted(house) == [INTRO, NUMBER]


async def test_no_greeting_where_the_box_wants_none(house: House) -> None:
    await house.uses(await house.box(skip_greeting=True), MediaKind.UNAVAILABLE)
    assert await greeted(house) == []


@pytest.mark.parametrize(("skip", "heard"), [(1, [NUMBER, BEEP]), (0, [NUMBER, INSTRUCTIONS, BEEP])])
async def test_instructions_are_skipped_by_0_and_1_as_well(house: House, skip: int, heard: list[str]) -> None:
    await house.box(skip_instructions=skip)
    assert (await reach(house, Speak(3000, then="hang-up"))).texts == heard


@pytest.mark.parametrize("during", ["The person", "Please leave"])
@pytest.mark.parametrize("key", "#123456789")
async def test_any_key_goes_to_the_beep_at_once(house: House, key: str, during: str) -> None:
    await house.box()
    phone = await reach(house, Press(key, during=during, after_ms=300), Speak(3000, then="hang-up"))
    assert phone.texts[-1] == BEEP
    assert phone.heard[-2].to_ms == 300


@pytest.mark.parametrize("during", ["The person", "Please leave"])
async def test_star_signs_in_to_this_box_and_asks_for_its_pin(house: House, during: str) -> None:
    await house.box()
    phone = await reach(house, Press("*", during=during), Press("1379#", during="pin"), Press("#", during="To leave"))
    assert PIN in phone.texts
    assert BEEP not in phone.texts
    assert phone.texts[-1] == "Goodbye."
    assert phone.status == "DONE"


async def test_star_and_pin_may_be_typed_in_one_go(house: House) -> None:
    await house.box()
    phone = await reach(house, Press("*1379##"))
    assert phone.texts == [NUMBER, "Goodbye."]


async def test_star_on_the_owners_own_phone_needs_no_pin(house: House) -> None:
    await house.box(owner=house.alice, check_if_owner=False)
    phone = await reach(house, Press("*", during="The person"), endpoint="alice")
    assert PIN not in phone.texts
    assert "You have no messages." in phone.texts


async def test_three_wrong_pins_after_star_end_the_call(house: House) -> None:
    await house.box()
    phone = await reach(house, Press("*"), *[Press("0000#", during="pin")] * 3)
    assert phone.status == "NOACCESS"


async def test_no_key_passes_the_box_by_unless_it_is_given_one(house: House) -> None:
    await house.box(keys={"continue": "9"})
    phone = await reach(house, Press("9", during="The person"))
    assert phone.texts == [NUMBER]
    assert phone.status == "EXIT"
    assert phone.branch is None


async def test_keys_of_the_greeting_can_be_changed(house: House) -> None:
    await house.box(keys={"login": "7"})
    assert BEEP in (await reach(house, Press("*"), Speak(900, then="hang-up"))).texts
    assert PIN in (await reach(house, Press("7"), HangUp(during="pin"))).texts


@pytest.mark.parametrize("during", ["The person", "Please leave"])
async def test_hanging_up_in_the_greeting_leaves_nothing(house: House, during: str) -> None:
    box: Mailbox = await house.box()
    phone = await reach(house, HangUp(during=during, after_ms=200))
    assert phone.status == "HANGUP"
    assert await house.messages(box) == []
    assert await house.app.mailroom.takes.left_behind() == []


async def unplayable() -> None:
    raise UnplayableSound("Asterisk cannot play it")


async def test_a_greeting_that_cannot_be_played_turns_nobody_away(house: House) -> None:
    box = await house.uses(await house.box(), MediaKind.UNAVAILABLE)
    phone = await reach(house, Meanwhile(OWN, unplayable), Speak(3000, then="hang-up"))
    assert phone.texts == [NUMBER, INSTRUCTIONS, BEEP]
    assert len(await house.messages(box)) == 1
