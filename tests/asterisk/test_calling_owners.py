"""Calls to owners on a real Asterisk: a phone rings, is answered, and plays the message once the PIN is right."""

from __future__ import annotations

from tests.asterisk.conftest import Conversation, Desk, Person, eventually
from tests.sipphone import Vocabulary


async def test_the_number_of_a_box_with_a_new_message_rings_and_plays_it(
    alice: Person, bob: Person, desk: Desk, vocabulary: Vocabulary
) -> None:
    """Bob's phone is where alice wants to be called; nobody takes it for hers."""
    alice.moves_in(pin="1379", notify={"callback": {"number": bob.number, "schedule": [1, 1], "timeout_s": 15}})
    message = alice.has_message(announce=True)
    ringing = await bob.phone.next_call(within_s=20)
    call = Conversation(await ringing.answer(), vocabulary)
    await call.hears("login/enter-pin")
    await call.press("1379#")
    await call.hears("count/you-have", "number/1", "count/new-message")
    await call.press("1")
    await call.hears("message/message", message)
    await call.press("1")
    await call.hears("done/saved")
    await call.hang_up()
    await eventually(lambda: alice.folder_of(message) == "saved")
    await eventually(lambda: "call" not in desk.ask("outbox", number=alice.number))


async def test_a_number_that_the_sites_context_has_not_is_not_called_and_the_run_ends(
    alice: Person, desk: Desk
) -> None:
    alice.moves_in(notify={"callback": {"number": "0900123456", "schedule": [1], "timeout_s": 2}})
    alice.has_message(announce=True)
    await eventually(lambda: "call" not in desk.ask("outbox", number=alice.number), within_s=20)
