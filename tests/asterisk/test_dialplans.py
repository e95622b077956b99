"""Every way into a box on a real Asterisk: what is said at its end is what the owner hears."""

from __future__ import annotations

import asyncio

import pytest

from tests.asterisk.conftest import Conversation, Person, eventually
from tests.sipphone import Clip, PhoneCall
from tests.sipphone.speech import speech

SAID_MS = 3000
BUSY = 486


async def greets(call: Conversation, owner: Person) -> None:
    digits = [f"number/{digit}" for digit in owner.number]
    await call.hears("greeting/person-at", *digits, "greeting/is-not-available", within_s=20)


async def leaves_a_message(call: Conversation, caller: Person, owner: Person) -> None:
    """From the beep on, to the owner's ear."""
    words = Clip("what was said", speech(int(caller.number) + 88_000, SAID_MS))
    await call.press("1")
    await call.hears("tone/beep", whole=True)
    await call.says(words.samples)
    await call.hang_up()
    await eventually(owner.messages)
    heard = await owner.dials("*97")
    await heard.hears("number/1", "count/new-message", "message/message", "number/1", words)
    await heard.hang_up()


async def dials_while(caller: Person, number: str, owner: Person, answer: int | None) -> Conversation:
    """Dial somebody whose phone rings, and refuses with `answer` or is never answered."""
    dialling = asyncio.create_task(caller.dials(number, within_s=20))
    ringing = await owner.phone.next_call()
    if answer:
        await ringing.reject(answer)
    else:
        await ringing.given_up()
    return await dialling


async def test_straight_from_a_number(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    call = await bob.dials(alice.number)
    await greets(call, alice)
    await leaves_a_message(call, bob, alice)


async def test_no_answer(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    call = await dials_while(bob, f"*31{alice.number}", alice, None)
    await greets(call, alice)
    await leaves_a_message(call, bob, alice)


async def test_busy(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    call = await dials_while(bob, f"*31{alice.number}", alice, BUSY)
    await call.hears("greeting/person-at", "greeting/is-on-the-phone")
    await leaves_a_message(call, bob, alice)


async def test_unavailable(people: list[Person], bob: Person) -> None:
    """A phone that is switched off; later the owner comes back and hears what there is."""
    alice = people[0]
    alice.moves_in()
    bob.moves_in()
    call = await bob.dials(f"*31{alice.number}")
    await greets(call, alice)
    await alice.phone.register()
    await leaves_a_message(call, bob, alice)


async def test_a_call_that_was_answered_does_not_end_at_the_box(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    dialling = asyncio.create_task(bob.dials(f"*31{alice.number}"))
    answered: PhoneCall = await (await alice.phone.next_call()).answer()
    call = await dialling
    await answered.hang_up()
    await call.ends()
    assert alice.messages() == []


@pytest.mark.parametrize("office", ["feast", "never"])
async def test_after_hours_and_on_holidays(alice: Person, bob: Person, office: str) -> None:
    alice.moves_in()
    bob.moves_in()
    call = await bob.dials({"feast": "*322", "never": "*323"}[office] + alice.number)
    await greets(call, alice)
    await leaves_a_message(call, bob, alice)


async def test_in_business_hours_the_call_goes_on(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    call = await bob.dials("*321" + alice.number)
    await call.hears("weekday/1")
    await call.ends()


@pytest.mark.parametrize("way", ["waited too long", "no agents there", "the last agent left"])
async def test_out_of_a_queue(alice: Person, bob: Person, way: str) -> None:
    alice.moves_in()
    bob.moves_in()
    codes = {"waited too long": "*331", "no agents there": "*332", "the last agent left": "*333"}
    call = await bob.dials(codes[way] + alice.number)
    await greets(call, alice)
    await leaves_a_message(call, bob, alice)


async def test_out_of_a_queue_by_a_key(alice: Person, bob: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    call = await bob.dials("*331" + alice.number)
    await call.press("1")
    await greets(call, alice)
    await leaves_a_message(call, bob, alice)


async def test_out_of_a_ring_group(alice: Person, bob: Person, stranger: Person) -> None:
    """Two phones ring; nobody answers; the group's box takes it."""
    alice.moves_in()
    bob.moves_in()
    dialling = asyncio.create_task(bob.dials(f"*34{alice.number}{stranger.number}", within_s=20))
    for one in (alice, stranger):
        await one.phone.next_call()
    call = await dialling
    await greets(call, alice)
    await leaves_a_message(call, bob, alice)


@pytest.mark.parametrize("edge", ["timeout", "invalid"])
async def test_out_of_an_auto_attendant(alice: Person, bob: Person, edge: str) -> None:
    alice.moves_in()
    bob.moves_in()
    call = await bob.dials(f"*35{alice.number}")
    await call.hears("weekday/2")
    if edge == "invalid":
        await call.press("8")
    await greets(call, alice)
    await leaves_a_message(call, bob, alice)


async def test_a_comma_that_is_dialled_is_no_argument(bob: Person, alice: Person) -> None:
    """Taken as it is, this would be two numbers of which the last counts: his own box, which asks him for no PIN."""
    alice.moves_in()
    bob.moves_in()
    call = await bob.dials(f"*98{alice.number},number={bob.number}")
    await call.hears("login/enter-pin")
    await call.hang_up()
