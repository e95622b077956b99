"""Changing the PIN: twice the same, no easy one, three tries, and its digits nowhere."""

from __future__ import annotations

import pytest

from ivr.call.scripted import HangUp, Press, ScriptedCall, Silence, Step
from ivr.mailbox.mailbox import Mailbox
from tests.support.house import House

NEW = "Please enter your new pin, then press pound."
AGAIN = "Please enter it again, then press pound."
SET = "Your new pin has been saved."
NOT_CHANGED = "Your pin was not changed."
MENU = "To record your greeting"
MAIN = "You have no messages."


def new(digits: str) -> Press:
    return Press(digits, during=NEW)


def again(digits: str) -> Press:
    return Press(digits, during=AGAIN)


async def change(house: House, *script: Step) -> ScriptedCall:
    """Alice goes to the settings of box 1000 and presses 3; what was heard from there on is at [2:]."""
    begin = [Press("5", during=MAIN), Press("3", during=MENU)]
    return await house.call([*begin, *script], endpoint="alice", number="1000")


async def opens(house: House, pin: str) -> bool:
    phone = await house.call([Press(f"{pin}#"), HangUp(during="not correct")], number="1000")
    return MAIN in phone.texts


@pytest.fixture
async def box(house: House) -> Mailbox:
    return await house.box("1000", owner=house.alice, pin="1379")


async def test_entered_twice_it_opens_the_box(house: House, box: Mailbox) -> None:
    phone = await change(house, new("2468#"), again("2468#"), Press("0", during=MENU))
    assert phone.texts[2:5] == [NEW, AGAIN, SET]
    assert phone.texts[5].startswith(MENU)
    assert await opens(house, "2468")
    assert not await opens(house, "1379")


@pytest.mark.parametrize(
    ("pin", "why"),
    [
        ("246#", "A pin has at least four digits, and nothing else."),
        ("#", "A pin has at least four digits, and nothing else."),
        ("24*8#", "A pin has at least four digits, and nothing else."),
        ("7777#", "A pin cannot be one digit repeated."),
        ("3456#", "A pin cannot be digits in a row."),
        ("987654", "A pin cannot be digits in a row."),
        ("1000#", "A pin cannot be your mailbox number."),
    ],
)
async def test_an_easy_one_is_refused_and_the_reason_said(house: House, box: Mailbox, pin: str, why: str) -> None:
    phone = await change(house, new(pin), new("2468#"), again("2468#"))
    assert phone.texts[2:7] == [NEW, why, NEW, AGAIN, SET]
    assert await opens(house, "2468")


async def test_two_that_differ_are_refused(house: House, box: Mailbox) -> None:
    phone = await change(house, new("2468#"), again("2469#"), new("2468#"), again("2468#"))
    assert phone.texts[2:6] == [NEW, AGAIN, "The two entries are not the same.", NEW]
    assert await opens(house, "2468")


async def test_three_tries_leave_the_old_one(house: House, box: Mailbox) -> None:
    phone = await change(house, new("7777#"), new("2468#"), again("1#"), Silence(), Press("0", during=MENU))
    assert phone.texts[8:11] == ["A pin has at least four digits, and nothing else.", NOT_CHANGED, phone.texts[1]]
    assert await opens(house, "1379")


@pytest.mark.parametrize("pin", ["2468", "246813"])
async def test_four_to_six_digits_all_in_one_go(house: House, box: Mailbox, pin: str) -> None:
    phone = await change(house, Press(f"{pin}#{pin}#0#", during=NEW))
    assert phone.texts[2:] == [NEW, "Goodbye."]
    assert await opens(house, pin)


async def test_a_refusal_forgets_what_was_typed_ahead(house: House, box: Mailbox) -> None:
    phone = await change(house, new("7777#7777#6"))
    assert "Your mailbox now plays its greeting and takes no messages." not in phone.texts


async def test_hung_up_between_the_two_the_old_one_holds(house: House, box: Mailbox) -> None:
    await change(house, new("2468#"), HangUp(during=AGAIN))
    assert await opens(house, "1379")


async def test_no_digit_of_it_is_ever_noted(house: House, box: Mailbox) -> None:
    phone = await change(house, new("7777#"), new("2468#"), again("2469#"), new("2468#2468#"))
    noted = [str(step.details.get("key")) for step in phone.journal.steps if step.what == "key"]
    assert noted == ["5", "3", *["•"] * 25]
    assert "2468" not in str(phone.journal.steps)


async def test_the_place_that_the_box_names_for_it_is_where_it_goes(house: House) -> None:
    await house.box("1000", owner=house.alice, pin="1379", pin_secret_ref="kv:vm:7:pin")
    await change(house, new("2468#"), again("2468#"))
    assert await house.app.secrets.matches(house.account.id, "kv:vm:7:pin", "2468")
    assert await opens(house, "2468")
