"""Forwarding on a real Asterisk, with a phone that talks."""

from __future__ import annotations

from tests.asterisk.conftest import Conversation, Person, Recorded, eventually
from tests.sipphone import Clip
from tests.sipphone.speech import speech

INTRO_MS = 2500


def an_intro(person: Person) -> Clip:
    return Clip("intro", speech(int(person.number) + 77_000, INTRO_MS))


async def to_the_beep(alice: Person, bob: Person, message: Recorded) -> Conversation:
    call = await alice.dials("*97")
    await call.hears(message)
    await call.press("3")
    await call.hears("forward/enter-box")
    await call.press(f"{bob.number}#")
    await call.hears("to/prepend", "press/1", "to/forward-plain", "press/2")
    await call.press("1")
    await call.hears("forward/intro")
    await call.press("1")
    await call.hears("tone/beep", whole=True)
    return call


async def test_with_an_intro(alice: Person, bob: Person) -> None:
    alice.moves_in(vm_message_forward_type="prepend_forward")
    bob.moves_in()
    message, intro = alice.has_message(), an_intro(alice)
    call = await to_the_beep(alice, bob, message)
    await call.says(intro.samples)
    await call.press("5")
    await call.hears("to/save-recording")
    await call.press("2")
    await call.hears(intro, "to/save-recording")
    await call.press("1")
    await call.hears("done/forwarded", "done/saved")
    await call.hang_up()

    [copy] = bob.messages()
    assert abs(copy["intro_ms"] - INTRO_MS) < 400
    assert copy["length_ms"] == copy["intro_ms"] + 4000
    call = await bob.dials("*97")
    await call.hears("number/1", "count/new-message", "message/message", intro, message)
    await call.hang_up()


async def test_hanging_up_while_speaking_it_forwards_with_what_was_said(alice: Person, bob: Person) -> None:
    alice.moves_in(vm_message_forward_type="prepend_forward")
    bob.moves_in()
    message, intro = alice.has_message(), an_intro(alice)
    call = await to_the_beep(alice, bob, message)
    await call.says(intro.samples)
    await call.hang_up()
    await eventually(bob.messages)
    call = await bob.dials("*97")
    await call.hears("count/new-message", intro, message)
    await call.hang_up()


async def test_as_it_is_and_back_to_the_message(alice: Person, bob: Person) -> None:
    alice.moves_in(after_forward_action="prompt")
    bob.moves_in()
    message = alice.has_message()
    call = await alice.dials("*97")
    await call.hears(message)
    await call.press("3")
    await call.hears("forward/enter-box")
    await call.press(f"{bob.number}#")
    await call.hears("done/forwarded", "to/keep", "press/1")
    await call.press("7")
    await call.hears("done/deleted")
    await call.hang_up()
    assert alice.folder_of(message) == "deleted"
    assert [copy["folder"] for copy in bob.messages()] == ["new"]


async def test_three_failed_tries(alice: Person) -> None:
    alice.moves_in()
    message = alice.has_message()
    call = await alice.dials("*97")
    await call.hears(message)
    await call.press("3")
    await call.hears("forward/enter-box")
    await call.press("9#")
    await call.hears("entry/invalid", "forward/enter-box")
    await call.press("#")
    await call.hears("entry/invalid", "forward/enter-box")
    await call.press(f"{alice.number}#")
    await call.hears("forward/own-box", "forward/abort", "to/keep")
    await call.hang_up()
    assert alice.folder_of(message) == "new"


async def test_a_full_box_takes_none(alice: Person, bob: Person) -> None:
    alice.moves_in(vm_message_forward_type="prepend_forward")
    bob.moves_in(quota_mb=1)
    bob.has_message(s=60)
    message = alice.has_message()
    call = await alice.dials("*97")
    await call.hears(message)
    await call.press("3")
    for _ in range(3):
        await call.hears("forward/enter-box")
        await call.press(f"{bob.number}#")
        await call.hears("forward/box-full")
    await call.hears("forward/abort", "to/keep")
    await call.hang_up()
    assert alice.folder_of(message) == "new"
    assert len(bob.messages()) == 1
