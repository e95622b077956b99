"""Calls to owners on a real Asterisk: a phone rings, is answered, and plays the message once the PIN is right."""

from __future__ import annotations

from tests.asterisk.conftest import AdminClient, PhoneUser, RecognisedCall, wait_until
from tests.lab.sip_phone import Vocabulary


async def test_new_message_call_rings_owner_and_plays_message(
    alice: PhoneUser, bob: PhoneUser, admin: AdminClient, vocabulary: Vocabulary
) -> None:
    """Alice wants to be called on bob's phone; it does not count as her own."""
    alice.create_user_and_box(
        pin="1379", notify={"callback": {"number": bob.number, "schedule": [1, 1], "timeout_s": 15}}
    )
    message = alice.create_message(announce=True)
    ringing = await bob.phone.next_call(within_s=20)
    call = RecognisedCall(await ringing.answer(), vocabulary)
    await call.expect("login/enter-pin")
    await call.press("1379#")
    await call.expect("count/you-have", "number/1", "count/new-message")
    await call.press("1")
    await call.expect("message/message", "number/1", message)
    await call.press("1")
    await call.expect("done/saved")
    await call.hang_up()
    await wait_until(lambda: alice.folder_of(message) == "saved")
    await wait_until(lambda: "call" not in admin.request("list_outbox_kinds", number=alice.number))


async def test_new_message_call_to_number_outside_context_is_not_made(alice: PhoneUser, admin: AdminClient) -> None:
    alice.create_user_and_box(notify={"callback": {"number": "0900123456", "schedule": [1], "timeout_s": 2}})
    alice.create_message(announce=True)
    await wait_until(lambda: "call" not in admin.request("list_outbox_kinds", number=alice.number), within_s=20)
