"""Wrong PINs, counted across calls."""

from __future__ import annotations

from ivr.call.scripted import HangUp, Press, ScriptedCall
from tests.support.house import House

WRONG = "That is not correct."


async def try_pin(house: House, pin: str, caller: str = "5550100", **how: str) -> bool:
    phone: ScriptedCall = await house.call([Press(f"{pin}#"), Press("#")], number="1000", caller=caller, **how)
    return any(text.startswith("You have") for text in phone.texts)


async def fail(house: House, times: int, caller: str = "5550100") -> None:
    for _ in range(times):
        await house.call([Press("0000#"), HangUp(during=WRONG)], number="1000", caller=caller)


async def test_five_wrong_pins_lock_the_box_and_a_right_one_sounds_like_a_wrong_one(house: House) -> None:
    await house.box()
    await fail(house, 5)
    phone = await house.call([Press("1379#"), HangUp(during=WRONG)], number="1000")
    assert phone.texts[-1] == WRONG
    house.clock.advance(s=61)
    assert await try_pin(house, "1379")


async def test_four_wrong_pins_do_not(house: House) -> None:
    await house.box()
    await fail(house, 4)
    assert await try_pin(house, "1379")


async def test_the_lock_doubles_up_to_an_hour(house: House) -> None:
    await house.box()
    await fail(house, 5)
    for minutes in (2, 4, 8, 16, 32, 60, 60):
        house.clock.advance(s=3601)
        await fail(house, 1, caller=f"55502{minutes}")
        house.clock.advance(s=minutes * 60 - 30)
        assert not await try_pin(house, "1379", caller="5550300")
        house.clock.advance(s=31)
    assert await try_pin(house, "1379", caller="5550300")


async def test_a_right_pin_begins_the_count_anew(house: House) -> None:
    await house.box()
    await fail(house, 4)
    assert await try_pin(house, "1379")
    await fail(house, 4)
    assert await try_pin(house, "1379")


async def test_trying_on_a_locked_box_does_not_lock_it_for_longer(house: House) -> None:
    await house.box()
    await fail(house, 5)
    house.clock.advance(s=50)
    await fail(house, 3, caller="5550400")
    house.clock.advance(s=15)
    assert await try_pin(house, "1379", caller="5550500")


async def test_an_administrator_unlocks(house: House) -> None:
    box = await house.box()
    await fail(house, 5)
    await house.app.failures.clear(box.account_id, box.id)
    assert await try_pin(house, "1379")


async def test_the_owners_own_phone_stays_open(house: House) -> None:
    await house.box(owner=house.alice, require_pin=True)
    await fail(house, 5)
    assert await try_pin(house, "1379", endpoint="alice")


async def test_one_caller_gets_twenty_wrong_pins_an_hour_whatever_the_boxes(house: House) -> None:
    for n in range(10):
        await house.box(str(1000 + n))
    for n in range(20):
        await house.call([Press("0000#"), HangUp(during=WRONG)], number=str(1001 + n % 9), caller="5550666")
    assert not await try_pin(house, "1379", caller="5550666")
    assert await try_pin(house, "1379", caller="5550777"), "somebody else is let in"
    house.clock.advance(s=3600)
    assert await try_pin(house, "1379", caller="5550666")


async def test_right_pins_use_up_nothing(house: House) -> None:
    await house.box()
    for _ in range(30):
        assert await try_pin(house, "1379")
