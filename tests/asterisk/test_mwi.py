"""Message lights on a real Asterisk: what a phone that subscribed to its mailbox is summary, and when."""

from __future__ import annotations

from collections.abc import Callable

from tests.asterisk.conftest import AdminClient, PhoneUser, SpokenMessage
from tests.asterisk.test_leave_message import dial_to_beep, speech_of
from tests.asterisk.test_phone_and_rest import BoxRestClient, box_rest_client, wav_bytes
from tests.lab.sip_phone.mwi import MessageSummary
from tests.lab.sip_phone.speech import speech

__all__ = ["box_rest_client"]


async def expect_mwi(person: PhoneUser, new: int, old: int) -> MessageSummary:
    """Wait until the last thing that the phone was summary is this."""

    def is_it(summary: MessageSummary) -> bool:
        return summary is person.phone.notifies[-1] and (summary.new, summary.old, summary.waiting) == (
            new,
            old,
            new > 0,
        )

    return await person.phone.wait_for_notify(is_it)


async def test_mwi_turns_on_for_new_message_and_off_when_saved(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    await alice.phone.subscribe_mwi()
    await expect_mwi(alice, 0, 0)
    call = await dial_to_beep(bob, alice)
    await call.say(speech_of(bob).samples)
    await call.hang_up()
    await expect_mwi(alice, 1, 0)

    call = await alice.dial("*97")
    await call.expect("message/message", "number/1", speech_of(bob))
    await call.press("1")
    await call.expect("done/saved")
    await expect_mwi(alice, 0, 1)
    await call.hang_up()


async def test_mwi_follows_delete_and_undelete(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    await alice.phone.subscribe_mwi()
    message = alice.create_message()
    await expect_mwi(alice, 1, 0)
    call = await alice.dial("*97")
    await call.expect(message)
    await call.press("7")
    await expect_mwi(alice, 0, 0)
    await call.hang_up()
    alice.move_message(message, "new")
    await expect_mwi(alice, 1, 0)


async def test_forwarded_message_turns_on_mwi_of_target_box(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    await bob.phone.subscribe_mwi()
    message = alice.create_message()
    call = await alice.dial("*97")
    await call.expect(message)
    await call.press("3")
    await call.expect("forward/enter-box")
    await call.press(f"{bob.number}#")
    await call.expect("recipients/mailbox")
    await call.press("2")
    await call.expect("done/forwarded")
    await expect_mwi(bob, 1, 0)
    await call.hang_up()


async def test_mwi_follows_administrator_changes(alice: PhoneUser, admin: AdminClient) -> None:
    alice.create_user_and_box()
    await alice.phone.subscribe_mwi()
    first, second = alice.create_message(), alice.create_message()
    await expect_mwi(alice, 2, 0)
    alice.move_message(first, "saved")
    await expect_mwi(alice, 1, 1)
    admin.request("remove_message", number=alice.number, message=second.id)
    await expect_mwi(alice, 0, 1)


async def test_alias_of_box_shows_same_mwi(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box(numbers=[bob.number])
    await bob.phone.subscribe_mwi()
    message: SpokenMessage = alice.create_message()
    await expect_mwi(bob, 1, 0)
    alice.move_message(message, "saved")
    await expect_mwi(bob, 0, 1)


async def test_phone_mwi_shows_sum_of_all_boxes_of_user(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box()
    alice.create_second_box(bob.number)
    await alice.phone.subscribe_mwi(mailbox_user=f"{alice.name}-all")
    alice.create_message()
    await expect_mwi(alice, 1, 0)
    alice.create_message(number=bob.number)
    await expect_mwi(alice, 2, 0)


async def test_phone_assigned_to_owner_shows_mwi_immediately(
    alice: PhoneUser, bob: PhoneUser, admin: AdminClient
) -> None:
    alice.create_user_and_box()
    alice.create_message()
    await bob.phone.subscribe_mwi(mailbox_user=f"{bob.name}-all")
    await expect_mwi(bob, 0, 0)
    admin.request("add_endpoint", name=bob.name, user=alice.name)
    await expect_mwi(bob, 1, 0)
    admin.request("remove_endpoint", name=bob.name)
    await expect_mwi(bob, 0, 0)


async def test_mwi_follows_rest_changes(
    alice: PhoneUser, box_rest_client: Callable[[PhoneUser], BoxRestClient]
) -> None:
    alice.create_user_and_box()
    await alice.phone.subscribe_mwi()
    rest = box_rest_client(alice)
    messages = str(rest.http.base_url).rstrip("/")
    made = await rest.request_ok("PUT", messages, json={"data": {"caller_id_number": "6001"}})
    audio = wav_bytes(speech(int(alice.number) * 100, 2000))
    await rest.request_ok("PUT", f"/{made['media_id']}/raw", content=audio, headers={"Content-Type": "audio/wav"})
    await expect_mwi(alice, 1, 0)
    await rest.request_ok("POST", f"/{made['media_id']}", json={"data": {"folder": "saved"}})
    await expect_mwi(alice, 0, 1)
    await rest.request_ok("DELETE", f"/{made['media_id']}")
    await expect_mwi(alice, 0, 0)
