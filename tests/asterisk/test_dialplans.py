"""Every way into a box on a real Asterisk: what is said at its end is what the owner hears."""

from __future__ import annotations

import asyncio

import pytest

from tests.asterisk.conftest import PhoneUser, RecognisedCall, wait_until
from tests.lab.sip_phone import Clip, PhoneCall
from tests.lab.sip_phone.speech import speech

SPEECH_MS = 3000
BUSY = 486


async def expect_greeting(call: RecognisedCall, owner: PhoneUser) -> None:
    digits = [f"number/{digit}" for digit in owner.number]
    await call.expect("greeting/person-at", *digits, "greeting/is-not-available", within_s=20)


async def leave_message(call: RecognisedCall, caller: PhoneUser, owner: PhoneUser) -> None:
    """From the beep on, as the owner hears it."""
    words = Clip("what was said", speech(int(caller.number) + 88_000, SPEECH_MS))
    await call.press("1")
    await call.expect("tone/beep", whole=True)
    await call.say(words.samples)
    await call.hang_up()
    await wait_until(owner.messages)
    heard = await owner.dial("*97")
    await heard.expect("number/1", "count/new-message", "message/message", "number/1", words)
    await heard.hang_up()


async def dial_while_ringing(caller: PhoneUser, number: str, owner: PhoneUser, answer: int | None) -> RecognisedCall:
    """Dial a phone that rings, and that refuses with `answer` or never answers."""
    dialling = asyncio.create_task(caller.dial(number, within_s=20))
    ringing = await owner.phone.next_call()
    if answer:
        await ringing.reject(answer)
    else:
        await ringing.wait_until_cancelled()
    return await dialling


async def test_direct_number_reaches_box(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await bob.dial(alice.number)
    await expect_greeting(call, alice)
    await leave_message(call, bob, alice)


async def test_dial_no_answer_reaches_box(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await dial_while_ringing(bob, f"*31{alice.number}", alice, None)
    await expect_greeting(call, alice)
    await leave_message(call, bob, alice)


async def test_dial_busy_reaches_box(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await dial_while_ringing(bob, f"*31{alice.number}", alice, BUSY)
    await call.expect("greeting/person-at", "greeting/is-on-the-phone")
    await leave_message(call, bob, alice)


async def test_dial_unavailable_phone_reaches_box(phone_users: list[PhoneUser], bob: PhoneUser) -> None:
    """A phone that is switched off; later the owner comes back and hears what there is."""
    alice = phone_users[0]
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await bob.dial(f"*31{alice.number}")
    await expect_greeting(call, alice)
    await alice.phone.register()
    await leave_message(call, bob, alice)


async def test_answered_dial_does_not_reach_box(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    dialling = asyncio.create_task(bob.dial(f"*31{alice.number}"))
    answered: PhoneCall = await (await alice.phone.next_call()).answer()
    call = await dialling
    await answered.hang_up()
    await call.wait_for_hangup()
    assert alice.messages() == []


@pytest.mark.parametrize("office", ["feast", "never"])
async def test_office_closed_reaches_box(alice: PhoneUser, bob: PhoneUser, office: str) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await bob.dial({"feast": "*322", "never": "*323"}[office] + alice.number)
    await expect_greeting(call, alice)
    await leave_message(call, bob, alice)


async def test_office_open_continues_dialplan(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await bob.dial("*321" + alice.number)
    await call.expect("weekday/1")
    await call.wait_for_hangup()


@pytest.mark.parametrize("way", ["waited too long", "no agents there", "the last agent left"])
async def test_queue_exit_reaches_box(alice: PhoneUser, bob: PhoneUser, way: str) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    codes = {"waited too long": "*331", "no agents there": "*332", "the last agent left": "*333"}
    call = await bob.dial(codes[way] + alice.number)
    await expect_greeting(call, alice)
    await leave_message(call, bob, alice)


async def test_queue_exit_key_reaches_box(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await bob.dial("*331" + alice.number)
    await call.press("1")
    await expect_greeting(call, alice)
    await leave_message(call, bob, alice)


async def test_ring_group_no_answer_reaches_box(alice: PhoneUser, bob: PhoneUser, stranger: PhoneUser) -> None:
    """Two phones ring and neither answers; the group's mailbox takes the call."""
    alice.create_user_and_box()
    bob.create_user_and_box()
    dialling = asyncio.create_task(bob.dial(f"*34{alice.number}{stranger.number}", within_s=20))
    for one in (alice, stranger):
        await one.phone.next_call()
    call = await dialling
    await expect_greeting(call, alice)
    await leave_message(call, bob, alice)


@pytest.mark.parametrize("edge", ["timeout", "invalid"])
async def test_auto_attendant_exit_reaches_box(alice: PhoneUser, bob: PhoneUser, edge: str) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await bob.dial(f"*35{alice.number}")
    await call.expect("weekday/2")
    if edge == "invalid":
        await call.press("8")
    await expect_greeting(call, alice)
    await leave_message(call, bob, alice)


async def test_dialled_comma_does_not_inject_argument(bob: PhoneUser, alice: PhoneUser) -> None:
    """Taken as it is, this would be two numbers of which the last counts: his own box, which asks him for no PIN."""
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await bob.dial(f"*98{alice.number},number={bob.number}")
    await call.expect("login/enter-pin")
    await call.hang_up()
