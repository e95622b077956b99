"""Forwarding on a real Asterisk, with a phone that talks."""

from __future__ import annotations

from tests.asterisk.conftest import PhoneUser, RecognisedCall, SpokenMessage, wait_until
from tests.lab.sip_phone import Clip
from tests.lab.sip_phone.speech import speech

INTRO_MS = 2500


def intro_speech(person: PhoneUser) -> Clip:
    return Clip("intro", speech(int(person.number) + 77_000, INTRO_MS))


async def navigate_to_intro_beep(alice: PhoneUser, bob: PhoneUser, message: SpokenMessage) -> RecognisedCall:
    call = await alice.dial("*97")
    await call.expect(message)
    await call.press("3")
    await call.expect("forward/enter-box")
    await call.press(f"{bob.number}#")
    await call.expect("to/prepend", "press/1", "to/forward-plain", "press/2")
    await call.press("1")
    await call.expect("forward/intro")
    await call.press("1")
    await call.expect("tone/beep", whole=True)
    return call


async def test_message_is_forwarded_with_intro(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box(vm_message_forward_type="prepend_forward")
    bob.create_user_and_box()
    message, intro = alice.create_message(), intro_speech(alice)
    call = await navigate_to_intro_beep(alice, bob, message)
    await call.say(intro.samples)
    await call.press("5")
    await call.expect("to/save-recording")
    await call.press("2")
    await call.expect(intro, "to/save-recording")
    await call.press("1")
    await call.expect("done/forwarded", "done/saved")
    await call.hang_up()

    [copy] = bob.messages()
    assert abs(copy["intro_ms"] - INTRO_MS) < 400
    assert copy["length_ms"] == copy["intro_ms"] + 4000
    call = await bob.dial("*97")
    await call.expect("number/1", "count/new-message", "message/message", "number/1", intro, message)
    await call.hang_up()


async def test_hangup_while_recording_intro_forwards_with_recorded_part(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box(vm_message_forward_type="prepend_forward")
    bob.create_user_and_box()
    message, intro = alice.create_message(), intro_speech(alice)
    call = await navigate_to_intro_beep(alice, bob, message)
    await call.say(intro.samples)
    await call.hang_up()
    await wait_until(bob.messages)
    call = await bob.dial("*97")
    await call.expect("count/new-message", intro, message)
    await call.hang_up()


async def test_message_is_forwarded_without_intro_and_menu_returns(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box(after_forward_action="prompt")
    bob.create_user_and_box()
    message = alice.create_message()
    call = await alice.dial("*97")
    await call.expect(message)
    await call.press("3")
    await call.expect("forward/enter-box")
    await call.press(f"{bob.number}#")
    await call.expect("recipients/mailbox", "entry/cancel", "to/add-recipient", "press/3")
    await call.expect("done/forwarded", "to/keep", "press/1")
    await call.press("7")
    await call.expect("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"
    assert [copy["folder"] for copy in bob.messages()] == ["new"]


async def test_three_invalid_recipients_return_to_message_menu(alice: PhoneUser) -> None:
    alice.create_user_and_box()
    message = alice.create_message()
    call = await alice.dial("*97")
    await call.expect(message)
    await call.press("3")
    await call.expect("forward/enter-box")
    await call.press("9#")
    await call.expect("entry/invalid", "forward/enter-box")
    await call.press("98#")
    await call.expect("entry/invalid", "forward/enter-box")
    await call.press(f"{alice.number}#")
    await call.expect("forward/own-box", "forward/abort", "to/keep")
    await call.hang_up()
    assert alice.folder_of(message) == "new"


async def test_full_box_rejects_forwarded_message(alice: PhoneUser, bob: PhoneUser) -> None:
    alice.create_user_and_box(vm_message_forward_type="prepend_forward")
    bob.create_user_and_box(quota_mb=1)
    bob.create_message(s=60)
    message = alice.create_message()
    call = await alice.dial("*97")
    await call.expect(message)
    await call.press("3")
    for _ in range(3):
        await call.expect("forward/enter-box")
        await call.press(f"{bob.number}#")
        await call.expect("forward/box-full")
    await call.expect("forward/abort", "to/keep")
    await call.hang_up()
    assert alice.folder_of(message) == "new"
    assert len(bob.messages()) == 1
