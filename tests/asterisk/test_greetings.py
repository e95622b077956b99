"""What a caller hears before the beep on a real Asterisk, and where each key leads."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asterisk.conftest import Conversation, Person, eventually
from tests.asterisk.rig.config import ENDINGS, ENDINGS_FROM
from tests.sipphone import Clip
from tests.sipphone.speech import speech


def spelled(person: Person) -> list[str]:
    return [f"number/{digit}" for digit in person.number]


def told(status: str) -> str:
    """The number by which the lab's dialplan says IVRSTATUS."""
    return f"number/{ENDINGS_FROM + ENDINGS.index(status)}"


async def ends_with(call: Conversation, status: str) -> None:
    await call.hears(told(status))
    await call.ends()


def move_in(owner: Person, caller: Person, **settings: Any) -> None:
    """Both, the one with a box like that."""
    owner.moves_in(**settings)
    caller.moves_in()


async def reaches(caller: Person, owner: Person, *heard: str, code: str = "", **settings: Any) -> Conversation:
    """Both move in, the one dials the other (behind `code`), and hears the beginning of the greeting."""
    move_in(owner, caller, **settings)
    call = await caller.dials(code + owner.number)
    await call.hears(*(heard or ["greeting/person-at"]))
    return call


async def test_the_number_where_nothing_is_recorded(alice: Person, bob: Person) -> None:
    call = await reaches(
        bob, alice, "greeting/person-at", *spelled(alice), "greeting/is-not-available", "greeting/leave-a-message"
    )
    await call.hears("tone/beep")
    await call.hang_up()


async def test_name_then_own_then_temporary(alice: Person, bob: Person) -> None:
    move_in(alice, bob, play_greeting_intro=True)
    name = alice.has_recording("name", s=1.5)
    call = await bob.dials(alice.number)
    await call.hears("greeting/intro", name, "greeting/is-not-available", "greeting/leave-a-message")
    await call.hang_up()
    own = alice.has_recording("unavailable")
    call = await bob.dials(alice.number)
    await call.hears("greeting/intro", own, "greeting/leave-a-message")
    await call.hang_up()
    temporary = alice.has_recording("temporary_unavailable")
    call = await bob.dials(alice.number)
    await call.hears("greeting/intro", temporary, "greeting/leave-a-message")
    await call.hang_up()


async def test_a_greeting_that_names_nobody(alice: Person, bob: Person) -> None:
    call = await reaches(
        bob, alice, "greeting/nobody-available", "tone/beep", use_person_not_available=True, skip_instructions=True
    )
    await call.hang_up()


async def test_hanging_up_in_the_greeting_leaves_nothing(alice: Person, bob: Person) -> None:
    call = await reaches(bob, alice)
    await call.hang_up()
    call = await bob.dials(alice.number)
    await call.hears("greeting/leave-a-message")
    await call.hang_up()
    assert alice.messages() == []


async def test_star_signs_in(alice: Person, bob: Person) -> None:
    call = await reaches(bob, alice, pin="1379")
    await call.press("*")
    await call.hears("login/enter-pin")
    await call.press("1379#")
    await call.hears("count/no-messages")
    await call.hang_up()


async def test_a_key_passes_the_box_by(alice: Person, bob: Person) -> None:
    call = await reaches(bob, alice, code="*90", keys={"continue": "8"})
    await call.press("8")
    await ends_with(call, "EXIT")


async def test_an_announcement_is_only_heard(alice: Person, bob: Person) -> None:
    move_in(alice, bob, announcement_only=True)
    own = alice.has_recording("unavailable", s=3)
    call = await bob.dials(f"*90{alice.number}")
    await call.call.press("1")
    await call.hears(own, told("DONE"))
    await call.ends()
    call = await bob.dials(alice.number)
    await call.hears(own)
    await call.press("*")
    await call.hears("login/enter-pin")
    await call.hang_up()


async def test_a_full_box_says_so_before_anybody_talks(alice: Person, bob: Person) -> None:
    move_in(alice, bob, quota_mb=1)
    alice.has_message(s=60)
    own = alice.has_recording("unavailable", s=1.5)
    call = await bob.dials(f"*90{alice.number}")
    await call.hears(own, "greeting/mailbox-full")
    await ends_with(call, "FULL")
    call = await bob.dials(alice.number)
    await call.hears(own, "greeting/mailbox-full")
    await call.press("*")
    await call.hears("login/enter-pin")
    await call.hang_up()
    assert len(alice.messages()) == 1


async def test_a_message_takes_the_room_of_what_is_deleted(alice: Person, bob: Person) -> None:
    move_in(alice, bob, quota_mb=1)
    gone, stays = alice.has_message(s=50, folder="deleted", age_s=7200), alice.has_message(s=10, folder="deleted")
    call = await bob.dials(alice.number)
    await call.hears("greeting/person-at")
    await call.press("#")
    await call.hears("tone/beep", whole=True)
    await call.says(speech(int(alice.number) + 31_000, 4000))
    await call.hang_up()
    await eventually(lambda: alice.folder_of(gone) == "gone")
    assert alice.folder_of(stays) == "deleted"
    assert len(alice.messages()) == 2


# -- operator and hunt ------------------------------------------------------------------------------------------------


async def test_zero_reaches_the_operator(alice: Person, bob: Person) -> None:
    call = await reaches(bob, alice)
    await call.press("0")
    await call.hears("greeting/transferring", "month/1")
    await call.ends()


async def test_or_the_boxs_own_operator(alice: Person, bob: Person) -> None:
    call = await reaches(bob, alice, "greeting/leave-a-message", operator_number=200)
    await call.press("0")
    await call.hears("greeting/transferring", "month/2")
    await call.ends()


async def test_without_an_operator_zero_goes_to_the_beep(alice: Person, bob: Person) -> None:
    words = Clip("words", speech(int(alice.number) + 32_000, 3000))
    call = await reaches(bob, alice, operator_number="999")
    await call.press("0")
    await call.hears("tone/beep", whole=True)
    await call.says(words.samples)
    await call.press("0")
    await call.hears("to/save-recording", "press/1", "to/mark-urgent", "press/4")
    await call.press("0")
    await call.hears("entry/invalid", "to/save-recording")
    await call.press("1")
    await call.hears("done/message-left")
    await call.ends()


async def test_the_operator_from_the_review_keeps_the_message_first(alice: Person, bob: Person) -> None:
    words = Clip("words", speech(int(alice.number) + 33_000, 3000))
    call = await reaches(bob, alice)
    await call.press("#")
    await call.hears("tone/beep", whole=True)
    await call.says(words.samples)
    await call.press("#")
    await call.hears("to/save-recording", "to/operator", "press/0")
    await call.press("0")
    await call.hears("done/saved", "greeting/transferring", "month/1")
    await call.ends()
    owner = await alice.dials("*97")
    await owner.hears("number/1", "count/new-message", words)
    await owner.hang_up()


@pytest.mark.parametrize("during", ["greeting/person-at", "greeting/hunt", "greeting/leave-a-message"])
async def test_an_extension_is_dialled(alice: Person, bob: Person, during: str) -> None:
    move_in(alice, bob, hunt=True, hunt_allow="^5")
    call = await bob.dials(alice.number)
    await call.hears(during)
    await call.press("5101")
    await call.hears("greeting/transferring", "weekday/1")
    await call.ends()


async def test_one_that_is_denied_and_two_that_are_wrong_lead_to_the_beep(alice: Person, bob: Person) -> None:
    call = await reaches(bob, alice, hunt=True, hunt_deny="2$")
    for wrong in ("5102#", "5999#", "77"):
        await call.press(wrong)
        await call.hears("greeting/hunt-invalid")
    await call.hears("greeting/leave-a-message", "tone/beep")
    await call.hang_up()


async def test_zero_alone_is_the_operator_where_one_may_hunt_too(alice: Person, bob: Person) -> None:
    call = await reaches(bob, alice, "greeting/hunt", hunt=True)
    await call.press("0")
    await call.hears("greeting/transferring", "month/1")
    await call.ends()


async def test_who_dials_nothing_hears_the_beep(alice: Person, bob: Person) -> None:
    call = await reaches(
        bob, alice, "greeting/is-not-available", "greeting/hunt", "greeting/leave-a-message", "tone/beep", hunt=True
    )
    await call.hang_up()
