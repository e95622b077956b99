"""Lockout after wrong PINs, counted across calls."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from ivr.directory.pin_lockout import PinAttempt, PinLockout, PinVerdict
from ivr.directory.rate_limit import RateLimiter
from ivr.errors import RateLimited
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


async def test_lock_doubles_up_to_a_quarter_of_an_hour(app: AppFixture) -> None:
    await app.create_box()
    await enter_wrong_pin(app, 5)
    for minutes in (2, 4, 8, 15, 15):
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


async def test_own_phone_is_not_locked_out_by_strangers(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, require_pin=True)
    await enter_wrong_pin(app, 5)
    assert await try_pin(app, "1379", endpoint="alice")


async def test_pin_cannot_be_tried_without_end_on_own_phone(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, require_pin=True)
    for _ in range(5):
        await app.run_call([Press("0000#"), HangUp(during=WRONG)], number="1000", endpoint="alice")
    assert not await try_pin(app, "1379", endpoint="alice")
    assert await try_pin(app, "1379"), "only the phone is locked, not the box"
    app.clock.advance(s=61)
    assert await try_pin(app, "1379", endpoint="alice")
    for _ in range(5):
        await app.run_call([Press("0000#"), HangUp(during=WRONG)], number="1000", endpoint="alice")
    assert not await try_pin(app, "1379", endpoint="alice")
    await app.container.pin_lockout.reset(box.account_id, box.id)
    assert await try_pin(app, "1379", endpoint="alice"), "an administrator unlocks the phone too"


async def test_phone_of_one_member_does_not_lock_phone_of_another(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, require_pin=True, shared_vmbox=True, members=[app.bob.id])
    for _ in range(5):
        await app.run_call([Press("0000#"), HangUp(during=WRONG)], number="1000", endpoint="bob")
    assert await try_pin(app, "1379", endpoint="alice")


async def test_phone_of_user_is_counted_whatever_number_it_shows(app: AppFixture) -> None:
    for n in range(10):
        await app.create_box(str(1000 + n))
    for n in range(20):
        await app.run_call(
            [Press("0000#"), HangUp(during=WRONG)], number=str(1001 + n % 9), endpoint="bob", caller=f"55{n}"
        )
    assert not await try_pin(app, "1379", caller="5599", endpoint="bob")


async def test_caller_who_is_refused_locks_no_box(app: AppFixture) -> None:
    for n in range(10):
        await app.create_box(str(1000 + n))
    for n in range(20):
        await app.run_call([Press("0000#"), HangUp(during=WRONG)], number=str(1001 + n % 9), caller="5550666")
    await enter_wrong_pin(app, 10, caller="5550666")
    assert await try_pin(app, "1379", caller="5550777")


async def test_anonymous_callers_of_one_account_do_not_lock_those_of_another(app: AppFixture) -> None:
    await app.create_box()
    attempts = [PinAttempt("f" * 32, None, "trunk anonymous") for _ in range(25)]
    for attempt in attempts:
        await app.container.pins.verify(None, "0000", attempt)
    assert await try_pin(app, "1379", caller="")


async def test_locks_that_strangers_cause_last_a_quarter_of_an_hour_at_most(app: AppFixture) -> None:
    """Whatever is locked: the box, the caller's number, the account."""
    app.container.pin_lockout = PinLockout(app.container.auth_attempts, app.clock, account_failures_per_hour=30)
    box = await app.create_box()
    for n in range(200):
        source = "trunk 5550100" if n % 2 else f"trunk {n}"
        await app.container.pins.verify(box, "0000", PinAttempt(app.account.id, box.id, source))
        await app.container.pins.verify(None, "0000", PinAttempt(app.account.id, None, source))
        app.clock.advance(s=7)
    assert not await try_pin(app, "1379")
    app.clock.advance(s=900)
    assert await try_pin(app, "1379")


async def test_spraying_of_ever_new_numbers_is_ended_by_budget_of_account(app: AppFixture) -> None:
    """Four tries at each of many boxes lock none of them."""
    app.container.pin_lockout = PinLockout(app.container.auth_attempts, app.clock, account_failures_per_hour=12)
    boxes = [await app.create_box(str(1000 + n), owner=app.alice, require_pin=True) for n in range(5)]
    tried = 0
    for n, box in enumerate(boxes * 4):
        attempt = PinAttempt(app.account.id, box.id, f"trunk {n}")
        tried += await app.container.pin_lockout.settle(attempt, matches=False) is PinVerdict.WRONG
    assert tried == 12
    assert not await try_pin(app, "1379")
    assert await try_pin(app, "1379", endpoint="alice"), "the owner's phone is not affected"
    await app.container.pin_lockout.reset_account(app.account.id)
    assert await try_pin(app, "1379")


async def test_tries_at_the_same_moment_are_no_more_than_one_after_another(app: AppFixture) -> None:
    box = await app.create_box()
    pins = [f"{n:04}" for n in range(1230, 1380)]
    assert pins[-1] == "1379"
    attempts = [PinAttempt(app.account.id, box.id, f"trunk {n}") for n in range(len(pins))]
    verdicts = []
    for own_phone in (False, True):
        tries = [replace(attempt, source="alice", own_phone=True) if own_phone else attempt for attempt in attempts]
        settled = [app.container.pin_lockout.settle(one, matches=False) for one in tries]
        verdicts.append(await asyncio.gather(*settled))
    assert [[*found].count(PinVerdict.WRONG) for found in verdicts] == [5, 5]
    app.clock.advance(s=61)
    verified = [app.container.pins.verify(box, pin, one) for pin, one in zip(pins, attempts, strict=True)]
    assert sum(await asyncio.gather(*verified)) <= 1


async def test_right_pins_at_the_same_moment_all_open_box_and_send_no_mail(app: AppFixture) -> None:
    box = await app.create_box()
    attempts = [PinAttempt(app.account.id, box.id, f"trunk {n}") for n in range(20)]
    opened = await asyncio.gather(*(app.container.pins.verify(box, "1379", attempt) for attempt in attempts))
    assert all(opened)
    assert await app.container.outbox.list_tasks() == []


async def test_caller_is_limited_to_twenty_wrong_pins_an_hour_across_boxes(app: AppFixture) -> None:
    for n in range(10):
        await app.create_box(str(1000 + n))
    for n in range(20):
        await app.run_call([Press("0000#"), HangUp(during=WRONG)], number=str(1001 + n % 9), caller="5550666")
    assert not await try_pin(app, "1379", caller="5550666")
    assert await try_pin(app, "1379", caller="5550777"), "another caller may sign in"
    app.clock.advance(s=900)
    assert await try_pin(app, "1379", caller="5550666")


async def test_correct_pins_do_not_count(app: AppFixture) -> None:
    await app.create_box()
    for _ in range(30):
        assert await try_pin(app, "1379")


async def test_clock_that_is_set_prolongs_no_lock(app: AppFixture) -> None:
    """Forward by a day and back, as of a machine whose clock was wrong: no lock outlasts a quarter of an hour."""
    await app.create_box()
    for jump_s in (3600, 86_400, -3600, -86_400):
        app.clock.jump(jump_s)
        await enter_wrong_pin(app, 5)
        assert not await try_pin(app, "1379")
        app.clock.jump(-jump_s)
        app.clock.advance(s=901)
        assert await try_pin(app, "1379"), jump_s
        app.clock.advance(s=3600)


async def test_hour_of_wrong_tries_that_a_clock_set_back_began_is_over(app: AppFixture) -> None:
    limiter = RateLimiter(app.container.auth_attempts, app.clock, 2)
    app.clock.jump(86_400)
    for _ in range(2):
        await limiter.settle("192.0.2.1", is_right=False)
    with pytest.raises(RateLimited):
        await limiter.require_attempt("192.0.2.1")
    app.clock.jump(-86_400)
    await limiter.require_attempt("192.0.2.1")
    for _ in range(2):
        await limiter.settle("192.0.2.1", is_right=False)
    with pytest.raises(RateLimited):
        await limiter.require_attempt("192.0.2.1")


async def test_wrong_pins_of_a_caller_are_counted_anew_after_the_clock_is_set_back(app: AppFixture) -> None:
    box = await app.create_box()
    app.clock.jump(86_400)
    attempt = PinAttempt(box.account_id, None, "5550100")
    for _ in range(19):
        await app.container.pin_lockout.settle(attempt, matches=False)
    app.clock.jump(-86_400)
    assert await app.container.pin_lockout.settle(attempt, matches=False) is PinVerdict.WRONG
    assert await app.container.pin_lockout.settle(attempt, matches=False) is PinVerdict.WRONG, "2 of 20 in this hour"
