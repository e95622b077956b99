"""Calling back on a real Asterisk: the phone that left the message rings."""

from __future__ import annotations

from tests.asterisk.conftest import PhoneUser


async def test_key_9_calls_back_the_caller(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    message = alice.create_message(caller=bob.number)
    call = await alice.dial("*97")
    await call.expect(message)
    await call.press("9")
    await call.expect("callback/calling")
    ringing = await bob.phone.next_call()
    answered = await ringing.answer()
    assert answered.is_up
    await call.hang_up()


async def test_a_number_that_is_not_in_the_sites_context_is_not_called(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    message = alice.create_message(caller="9005550100")
    call = await alice.dial("*97")
    await call.expect(message)
    await call.press("9")
    await call.expect("callback/no-such-number", "message/message", "number/1", message)
    await call.hang_up()
