"""Several people at one box at the same time, on a real Asterisk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.asterisk.conftest import AdminClient, PhoneUser, claim_device, wait_until
from tests.lab.lab import LabInfo
from tests.lab.sip_phone import Clip, Vocabulary
from tests.lab.sip_phone.speech import speech

SPEECH_MS = 2500


@pytest.fixture
async def callers(admin: AdminClient, lab: LabInfo, vocabulary: Vocabulary) -> AsyncIterator[list[PhoneUser]]:
    """Five people with phones of their own, registered."""
    async with contextlib.AsyncExitStack() as stack:
        found = [PhoneUser(admin, lab, claim_device(lab), vocabulary) for _ in range(5)]
        for person in found:
            await stack.enter_async_context(person.phone)
            await person.phone.register()
        yield found


async def test_two_phones_in_one_box_do_different_things(alice: PhoneUser, bob: PhoneUser, admin: AdminClient) -> None:
    """Alice's desk phone and her other one: each hears the whole, keys of one do not disturb the other."""
    alice.create_user_and_box()
    admin.request("add_endpoint", name=bob.name, user=alice.name)
    first, second, third = (alice.create_message(s=3, age_s=age_s) for age_s in (60, 120, 180))
    desk_phone = await alice.dial("*97")
    await desk_phone.expect(first)
    other_phone = await bob.dial("*97")
    await other_phone.expect("count/new-messages", first)
    await desk_phone.press("7")
    await desk_phone.expect("done/deleted", second)
    await other_phone.press("1")
    await other_phone.expect("done/saved", second)
    await other_phone.press("6")
    await other_phone.expect(third)
    await desk_phone.press("1")
    await desk_phone.expect("done/saved", third)
    await desk_phone.press("7")
    await desk_phone.expect("done/deleted")
    await other_phone.press("2")
    await other_phone.expect(third)
    await desk_phone.hang_up()
    await other_phone.hang_up()
    assert [alice.folder_of(message) for message in (first, second, third)] == ["saved", "saved", "deleted"]


async def leave_message(caller: PhoneUser, alice: PhoneUser, words: Clip) -> None:
    call = await caller.dial(alice.number)
    await call.expect("greeting/leave-a-message", within_s=15)
    await call.press("1")
    await call.expect("tone/beep", within_s=15, whole=True)
    await call.say(words.samples)
    await call.hang_up()


async def test_five_callers_leave_messages_while_the_owner_deletes(alice: PhoneUser, callers: list[PhoneUser]) -> None:
    for person in (alice, *callers):
        person.create_user_and_box()
    old = [alice.create_message(s=2, age_s=60 * n) for n in range(1, 6)]
    speeches = {
        caller.name: Clip(f"what {caller.name} said", speech(900 + n, SPEECH_MS)) for n, caller in enumerate(callers)
    }
    call = await alice.dial("*97")
    await call.expect(old[0])
    leaving = [asyncio.create_task(leave_message(caller, alice, speeches[caller.name])) for caller in callers]
    for n, message in enumerate(old):
        if n:
            await call.expect(message)
        await call.press("7")
        await call.expect("done/deleted")
    await asyncio.gather(*leaving)
    await call.hang_up()
    await wait_until(lambda: len(alice.messages()) == 10)
    assert [alice.folder_of(message) for message in old] == ["deleted"] * 5
    new = [message for message in alice.messages() if message["folder"] == "new"]
    left_by = [message["caller"]["number"] for message in new]
    assert sorted(left_by) == sorted(speeches), "one of each caller"

    alice.update_box(new_messages_at_once=False)
    heard = await alice.dial("*97")
    await heard.expect("number/5", "count/new-messages", within_s=20)
    await heard.press("1")
    for n, caller in enumerate(left_by, 1):  # Newest first, as the box plays them.
        await heard.expect("message/message", f"number/{n}", speeches[caller], within_s=20)
        await heard.press("1")
        await heard.expect("done/saved")
    await heard.expect("number/5", "count/saved-messages", within_s=20)
    await heard.hang_up()
