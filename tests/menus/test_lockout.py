"""Lockout after wrong PINs, counted across calls."""

from __future__ import annotations

from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall

WRONG = "That is not correct."


async def try_pin(app: AppFixture, pin: str, caller: str = "5550100", **options: str) -> bool:
    phone: ScriptedCall = await app.run_call([Press(f"{pin}#"), Press("#")], number="1000", caller=caller, **options)
    return any(text.startswith("You have") for text in phone.texts)


async def enter_wrong_pin(app: AppFixture, times: int, caller: str = "5550100") -> None:
    for _ in range(times):
        await app.run_call([Press("0000#"), HangUp(during=WRONG)], number="1000", caller=caller)


async def test_locked_box_rejects_correct_pin_like_wrong_one(app: AppFixture) -> None:
    await app.create_box()
    await enter_wrong_pin(app, 5)
    phone = await app.run_call([Press("1379#"), HangUp(during=WRONG)], number="1000")
    assert phone.texts[-1] == WRONG
    app.clock.advance(s=61)
    assert await try_pin(app, "1379")


async def test_four_wrong_pins_do_not_lock_box(app: AppFixture) -> None:
    await app.create_box()
    await enter_wrong_pin(app, 4)
    assert await try_pin(app, "1379")


async def test_lock_doubles_up_to_an_hour(app: AppFixture) -> None:
    await app.create_box()
    await enter_wrong_pin(app, 5)
    for minutes in (2, 4, 8, 16, 32, 60, 60):
        app.clock.advance(s=3601)
        await enter_wrong_pin(app, 1, caller=f"55502{minutes}")
        app.clock.advance(s=minutes * 60 - 30)
        assert not await try_pin(app, "1379", caller="5550300")
        app.clock.advance(s=31)
    assert await try_pin(app, "1379", caller="5550300")


async def test_correct_pin_resets_failure_count(app: AppFixture) -> None:
    await app.create_box()
    await enter_wrong_pin(app, 4)
    assert await try_pin(app, "1379")
    await enter_wrong_pin(app, 4)
    assert await try_pin(app, "1379")


async def test_tries_on_locked_box_do_not_extend_lock(app: AppFixture) -> None:
    await app.create_box()
    await enter_wrong_pin(app, 5)
    app.clock.advance(s=50)
    await enter_wrong_pin(app, 3, caller="5550400")
    app.clock.advance(s=15)
    assert await try_pin(app, "1379", caller="5550500")


async def test_administrator_unlocks_box(app: AppFixture) -> None:
    box = await app.create_box()
    await enter_wrong_pin(app, 5)
    await app.container.pin_lockout.reset(box.account_id, box.id)
    assert await try_pin(app, "1379")


async def test_own_phone_is_not_locked_out(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, require_pin=True)
    await enter_wrong_pin(app, 5)
    assert await try_pin(app, "1379", endpoint="alice")


async def test_caller_is_limited_to_twenty_wrong_pins_an_hour_across_boxes(app: AppFixture) -> None:
    for n in range(10):
        await app.create_box(str(1000 + n))
    for n in range(20):
        await app.run_call([Press("0000#"), HangUp(during=WRONG)], number=str(1001 + n % 9), caller="5550666")
    assert not await try_pin(app, "1379", caller="5550666")
    assert await try_pin(app, "1379", caller="5550777"), "another caller may sign in"
    app.clock.advance(s=3600)
    assert await try_pin(app, "1379", caller="5550666")


async def test_correct_pins_do_not_count(app: AppFixture) -> None:
    await app.create_box()
    for _ in range(30):
        assert await try_pin(app, "1379")
