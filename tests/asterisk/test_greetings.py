"""What a caller hears before the beep on a real Asterisk, and where each key leads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.asterisk.conftest import PhoneUser, RecognisedCall, wait_until
from tests.asterisk.test_fallback_recordings import SpareService, claim_spare
from tests.lab.asterisk_config import FIRST_STATUS_EXTENSION, STATUS_PROMPTS
from tests.lab.lab import SOUNDS, LabInfo
from tests.lab.sip_phone import Clip
from tests.lab.sip_phone.speech import speech


def spelled_name_prompts(person: PhoneUser) -> list[str]:
    return [f"number/{digit}" for digit in person.number]


def status_prompt(status: str) -> str:
    """The number by which the lab's dialplan says IVR_STATUS."""
    return f"number/{FIRST_STATUS_EXTENSION + STATUS_PROMPTS.index(status)}"


async def expect_status(call: RecognisedCall, status: str) -> None:
    await call.expect(status_prompt(status))
    await call.wait_for_hangup()


def create_users(owner: PhoneUser, caller: PhoneUser, **settings: Any) -> None:
    """Both, the one with a box like that."""
    owner.create_user_and_box(**settings)
    caller.create_user_and_box()


async def dial_box(caller: PhoneUser, owner: PhoneUser, *heard: str, code: str = "", **settings: Any) -> RecognisedCall:
    """Both move in, the one dials the other (behind `code`), and hears the beginning of the greeting."""
    create_users(owner, caller, **settings)
    call = await caller.dial(code + owner.number)
    await call.expect(*(heard or ["greeting/person-at"]))
    return call


async def test_generic_greeting_says_number_when_nothing_is_recorded(alice: PhoneUser, bob: PhoneUser) -> None:
    call = await dial_box(
        bob,
        alice,
        "greeting/person-at",
        *spelled_name_prompts(alice),
        "greeting/is-not-available",
        "greeting/leave-a-message",
    )
    await call.expect("tone/beep")
    await call.hang_up()


async def test_greeting_precedence_is_name_then_unavailable_then_temporary(alice: PhoneUser, bob: PhoneUser) -> None:
    create_users(alice, bob, play_greeting_intro=True)
    name = alice.create_recording("name", s=1.5)
    call = await bob.dial(alice.number)
    await call.expect("greeting/intro", name, "greeting/is-not-available", "greeting/leave-a-message")
    await call.hang_up()
    own = alice.create_recording("unavailable")
    call = await bob.dial(alice.number)
    await call.expect("greeting/intro", own, "greeting/leave-a-message")
    await call.hang_up()
    temporary = alice.create_recording("temporary_unavailable")
    call = await bob.dial(alice.number)
    await call.expect("greeting/intro", temporary, "greeting/leave-a-message")
    await call.hang_up()


async def test_generic_greeting_can_be_anonymous(alice: PhoneUser, bob: PhoneUser) -> None:
    call = await dial_box(
        bob, alice, "greeting/nobody-available", "tone/beep", use_person_not_available=True, skip_instructions=True
    )
    await call.hang_up()


async def test_missing_clips_of_the_greeting_cost_these_clips_and_never_the_beep(
    alice: PhoneUser, bob: PhoneUser, lab: LabInfo
) -> None:
    """Of a site's own recordings, one within a sentence and one that is a sentence are missing."""
    sounds = Path(lab.folder) / "inbox" / f"sounds-{alice.name}"
    shutil.copytree(SOUNDS / "en", sounds / "en")
    for clip in ("person-at", "leave-a-message"):
        (sounds / "en" / "greeting" / f"{clip}.ulaw").unlink()
    spare = SpareService(lab, claim_spare(lab), IVR_SOUNDS__FOLDER=str(sounds))
    try:
        alice.create_user_and_box(admin=spare.admin)
        call = await bob.dial(spare.dial_prefix + alice.number)
        await call.expect(*spelled_name_prompts(alice), "greeting/is-not-available")
        await call.expect("tone/beep", whole=True)
        await call.say(speech(int(bob.number) + 77_000, 3000))
        await call.hang_up()
        await wait_until(lambda: len(alice.messages()) == 1)
        heard = {found.name for found in await call.call.transcript()}
        assert not {"greeting/person-at", "greeting/leave-a-message"} & heard
    finally:
        spare.close()


async def test_hangup_during_greeting_leaves_no_message(alice: PhoneUser, bob: PhoneUser) -> None:
    call = await dial_box(bob, alice)
    await call.hang_up()
    call = await bob.dial(alice.number)
    await call.expect("greeting/leave-a-message")
    await call.hang_up()
    assert alice.messages() == []


async def test_star_during_greeting_starts_login(alice: PhoneUser, bob: PhoneUser) -> None:
    call = await dial_box(bob, alice, pin="1379")
    await call.press("*")
    await call.expect("login/enter-pin")
    await call.press("1379#")
    await call.expect("count/no-messages")
    await call.hang_up()


async def test_skip_key_leaves_box_for_dialplan(alice: PhoneUser, bob: PhoneUser) -> None:
    call = await dial_box(bob, alice, code="*90", keys={"continue": "8"})
    await call.press("8")
    await expect_status(call, "EXIT")


async def test_announcement_only_box_records_nothing(alice: PhoneUser, bob: PhoneUser) -> None:
    create_users(alice, bob, announcement_only=True)
    own = alice.create_recording("unavailable", s=3)
    call = await bob.dial(f"*90{alice.number}")
    await call.call.press("1")
    await call.expect(own, status_prompt("DONE"))
    await call.wait_for_hangup()
    call = await bob.dial(alice.number)
    await call.expect(own)
    await call.press("*")
    await call.expect("login/enter-pin")
    await call.hang_up()


async def test_full_box_is_announced_before_recording(alice: PhoneUser, bob: PhoneUser) -> None:
    create_users(alice, bob, quota_mb=1)
    alice.create_message(s=60)
    own = alice.create_recording("unavailable", s=1.5)
    call = await bob.dial(f"*90{alice.number}")
    await call.expect(own, "greeting/mailbox-full")
    await expect_status(call, "FULL")
    call = await bob.dial(alice.number)
    await call.expect(own, "greeting/mailbox-full")
    await call.press("*")
    await call.expect("login/enter-pin")
    await call.hang_up()
    assert len(alice.messages()) == 1


async def test_new_message_purges_deleted_messages_for_space(alice: PhoneUser, bob: PhoneUser) -> None:
    create_users(alice, bob, quota_mb=1)
    gone, stays = alice.create_message(s=50, folder="deleted", age_s=7200), alice.create_message(s=10, folder="deleted")
    call = await bob.dial(alice.number)
    await call.expect("greeting/person-at")
    await call.press("#")
    await call.expect("tone/beep", whole=True)
    await call.say(speech(int(alice.number) + 31_000, 4000))
    await call.hang_up()
    await wait_until(lambda: alice.folder_of(gone) == "gone")
    assert alice.folder_of(stays) == "deleted"
    assert len(alice.messages()) == 2


# -- operator and hunt ------------------------------------------------------------------------------------------------


async def test_key_0_reaches_operator(alice: PhoneUser, bob: PhoneUser) -> None:
    call = await dial_box(bob, alice)
    await call.press("0")
    await call.expect("greeting/transferring", "month/1")
    await call.wait_for_hangup()


async def test_key_0_reaches_operator_of_box(alice: PhoneUser, bob: PhoneUser) -> None:
    call = await dial_box(bob, alice, "greeting/leave-a-message", operator_number=200)
    await call.press("0")
    await call.expect("greeting/transferring", "month/2")
    await call.wait_for_hangup()


async def test_key_0_without_operator_skips_to_beep(alice: PhoneUser, bob: PhoneUser) -> None:
    words = Clip("words", speech(int(alice.number) + 32_000, 3000))
    call = await dial_box(bob, alice, operator_number="999")
    await call.press("0")
    await call.expect("tone/beep", whole=True)
    await call.say(words.samples)
    await call.press("0")
    await call.expect("to/save-recording", "press/1", "to/mark-urgent", "press/4")
    await call.press("0")
    await call.expect("entry/invalid", "to/save-recording")
    await call.press("1")
    await call.expect("done/message-left")
    await call.wait_for_hangup()


async def test_key_0_in_review_saves_message_then_reaches_operator(alice: PhoneUser, bob: PhoneUser) -> None:
    words = Clip("words", speech(int(alice.number) + 33_000, 3000))
    call = await dial_box(bob, alice)
    await call.press("#")
    await call.expect("tone/beep", whole=True)
    await call.say(words.samples)
    await call.press("#")
    await call.expect("to/save-recording", "to/operator", "press/0")
    await call.press("0")
    await call.expect("done/saved", "greeting/transferring", "month/1")
    await call.wait_for_hangup()
    owner = await alice.dial("*97")
    await owner.expect("number/1", "count/new-message", words)
    await owner.hang_up()


@pytest.mark.parametrize("during", ["greeting/person-at", "greeting/hunt", "greeting/leave-a-message"])
async def test_caller_dials_extension_during_greeting(alice: PhoneUser, bob: PhoneUser, during: str) -> None:
    create_users(alice, bob, hunt=True, hunt_allow="^5")
    call = await bob.dial(alice.number)
    await call.expect(during)
    await call.press("5101")
    await call.expect("greeting/transferring", "weekday/1")
    await call.wait_for_hangup()


async def test_denied_and_wrong_extensions_lead_to_beep(alice: PhoneUser, bob: PhoneUser) -> None:
    call = await dial_box(bob, alice, hunt=True, hunt_deny="2$")
    for wrong in ("5102#", "5999#", "77"):
        await call.press(wrong)
        await call.expect("greeting/hunt-invalid")
    await call.expect("greeting/leave-a-message", "tone/beep")
    await call.hang_up()


async def test_single_0_reaches_operator_when_hunting_is_enabled(alice: PhoneUser, bob: PhoneUser) -> None:
    call = await dial_box(bob, alice, "greeting/hunt", hunt=True)
    await call.press("0")
    await call.expect("greeting/transferring", "month/1")
    await call.wait_for_hangup()


async def test_caller_dialling_nothing_hears_beep(alice: PhoneUser, bob: PhoneUser) -> None:
    call = await dial_box(
        bob, alice, "greeting/is-not-available", "greeting/hunt", "greeting/leave-a-message", "tone/beep", hunt=True
    )
    await call.hang_up()
