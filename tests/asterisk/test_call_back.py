"""Calling back on a real Asterisk: the phone of whoever left the message rings."""

from __future__ import annotations

from tests.asterisk.conftest import Person


async def test_nine_calls_who_left_the_message(alice: Person, bob: Person) -> None:
    alice.moves_in()
    message = alice.has_message(caller=bob.number)
    call = await alice.dials("*97")
    await call.hears(message)
    await call.press("9")
    await call.hears("callback/calling")
    ringing = await bob.phone.next_call()
    answered = await ringing.answer()
    assert answered.is_up
    await call.hang_up()


async def test_a_number_that_is_not_in_the_sites_context_is_not_called(alice: Person) -> None:
    alice.moves_in()
    message = alice.has_message(caller="9005550100")
    call = await alice.dials("*97")
    await call.hears(message)
    await call.press("9")
    await call.hears("callback/no-such-number", "message/message", message)
    await call.hang_up()
