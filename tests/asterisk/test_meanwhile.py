"""Several people at one box at the same time, on a real Asterisk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.asterisk.conftest import Desk, Person, eventually, take_device
from tests.asterisk.rig.lab import Notes
from tests.sipphone import Clip, Vocabulary
from tests.sipphone.speech import speech

SAID_MS = 2500


@pytest.fixture
async def callers(desk: Desk, notes: Notes, vocabulary: Vocabulary) -> AsyncIterator[list[Person]]:
    """Five people with phones of their own, registered."""
    async with contextlib.AsyncExitStack() as stack:
        found = [Person(desk, notes, take_device(notes), vocabulary) for _ in range(5)]
        for person in found:
            await stack.enter_async_context(person.phone)
            await person.phone.register()
        yield found


async def test_two_phones_in_one_box_do_different_things(alice: Person, bob: Person, desk: Desk) -> None:
    """Alice's desk phone and her other one: each hears the whole, keys of one do not disturb the other."""
    alice.moves_in()
    desk.ask("endpoint", name=bob.name, user=alice.name)
    first, second, third = (alice.has_message(s=3, age_s=age_s) for age_s in (60, 120, 180))
    desk_phone = await alice.dials("*97")
    await desk_phone.hears(first)
    other_phone = await bob.dials("*97")
    await other_phone.hears("count/new-messages", first)
    await desk_phone.press("7")
    await desk_phone.hears("done/deleted", second)
    await other_phone.press("1")
    await other_phone.hears("done/saved", second)
    await other_phone.press("6")
    await other_phone.hears(third)
    await desk_phone.press("1")
    await desk_phone.hears("done/saved", third)
    await desk_phone.press("7")
    await desk_phone.hears("done/deleted")
    await other_phone.press("2")
    await other_phone.hears(third)
    await desk_phone.hang_up()
    await other_phone.hang_up()
    assert [alice.folder_of(message) for message in (first, second, third)] == ["saved", "saved", "deleted"]


async def leaves_a_message(caller: Person, alice: Person, words: Clip) -> None:
    call = await caller.dials(alice.number)
    await call.hears("greeting/leave-a-message", within_s=15)
    await call.press("1")
    await call.hears("tone/beep", within_s=15, whole=True)
    await call.says(words.samples)
    await call.hang_up()


async def test_five_callers_leave_messages_while_the_owner_deletes(alice: Person, callers: list[Person]) -> None:
    for person in (alice, *callers):
        person.moves_in()
    old = [alice.has_message(s=2, age_s=60 * n) for n in range(1, 6)]
    said = {caller.name: Clip(f"what {caller.name} said", speech(900 + n, SAID_MS)) for n, caller in enumerate(callers)}
    call = await alice.dials("*97")
    await call.hears(old[0])
    leaving = [asyncio.create_task(leaves_a_message(caller, alice, said[caller.name])) for caller in callers]
    for n, message in enumerate(old):
        if n:
            await call.hears(message)
        await call.press("7")
        await call.hears("done/deleted")
    await asyncio.gather(*leaving)
    await call.hang_up()
    await eventually(lambda: len(alice.messages()) == 10)
    assert [alice.folder_of(message) for message in old] == ["deleted"] * 5
    new = [message for message in alice.messages() if message["folder"] == "new"]
    left_by = [message["caller"]["number"] for message in new]
    assert sorted(left_by) == sorted(said), "one of each caller"

    alice.set_box(new_messages_at_once=False)
    heard = await alice.dials("*97")
    await heard.hears("number/5", "count/new-messages", within_s=20)
    await heard.press("1")
    for caller in left_by:  # Newest first, as the box plays them.
        await heard.hears("message/message", said[caller], within_s=20)
        await heard.press("1")
        await heard.hears("done/saved")
    await heard.hears("number/5", "count/saved-messages", within_s=20)
    await heard.hang_up()
