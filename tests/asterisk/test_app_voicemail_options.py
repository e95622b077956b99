"""VoiceMail() in one line of ours on a real Asterisk: options, lists, contexts, VMSTATUS, and the jumps to o and a.

The lab says VMSTATUS as a day of the week; its extensions o, a and 5 are months.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.asterisk.conftest import PhoneUser, RecognisedCall, level_dbfs, wait_until
from tests.lab.asterisk_config import OPTIONS
from tests.lab.lab import LabInfo
from tests.lab.sip_phone import Clip
from tests.lab.sip_phone.speech import speech

SPEECH_MS = 3000
SUCCESS, USEREXIT, FAILED = "weekday/1", "weekday/2", "weekday/3"
INSTRUCTIONS = "greeting/leave-a-message"


def dial_string(options: str, owner: PhoneUser) -> str:
    """What to dial for a line with these options."""
    return f"*36{OPTIONS.index(options)}{owner.number}"


def speech_of(person: PhoneUser) -> Clip:
    return Clip("what was said", speech(int(person.number) + 99_000, SPEECH_MS))


async def expect_greeting(call: RecognisedCall, owner: PhoneUser, absent: str = "greeting/is-not-available") -> None:
    await call.expect("greeting/person-at", *(f"number/{digit}" for digit in owner.number), absent)


async def leave_message(call: RecognisedCall, caller: PhoneUser) -> Clip:
    await call.press("1")
    await call.expect("tone/beep", whole=True)
    words = speech_of(caller)
    await call.say(words.samples)
    return words


async def expect_owner_hears(owner: PhoneUser, words: Clip) -> None:
    await wait_until(owner.messages)
    call = await owner.dial("*97")
    await call.expect("number/1", words)
    await call.hang_up()


def hangup_vmstatuses(lab: LabInfo, caller: PhoneUser) -> list[str]:
    """What the site's own extension h saw, call by call."""
    log = (Path(lab.folder) / "log" / "messages").read_text(errors="replace")
    return re.findall(rf"lab: {caller.name} ended with VMSTATUS (\w+)", log)


@pytest.mark.parametrize("options", ["u", "b", "us", "uS", "uz"])
async def test_options_u_and_b_select_greeting_and_message_is_left(
    alice: PhoneUser, stranger: PhoneUser, options: str
) -> None:
    """The caller's phone belongs to no user: the account is the one after the @."""
    alice.create_user_and_box()
    call = await stranger.dial(dial_string(options, alice))
    await expect_greeting(call, alice, "greeting/is-on-the-phone" if options == "b" else "greeting/is-not-available")
    if options != "us":
        await call.expect(INSTRUCTIONS)
    words = await leave_message(call, stranger)
    await call.press("#")
    await call.expect("to/save-recording")
    await call.press("1")
    await call.expect("done/message-left", SUCCESS)
    await call.wait_for_hangup()
    await expect_owner_hears(alice, words)


async def test_without_u_and_b_only_the_instructions_are_heard(alice: PhoneUser, stranger: PhoneUser) -> None:
    alice.create_user_and_box()
    call = await stranger.dial(dial_string("", alice))
    await call.expect(INSTRUCTIONS, "tone/beep", whole=True)
    heard = [found.name for found in await call.call.transcript()]
    assert "greeting/person-at" not in heard
    await call.hang_up()


async def test_option_s_omits_beep(alice: PhoneUser, stranger: PhoneUser) -> None:
    alice.create_user_and_box()
    call = await stranger.dial(dial_string("ut", alice))
    await expect_greeting(call, alice)
    await call.press("1")
    words = speech_of(stranger)
    await call.say(words.samples)
    await call.hang_up()
    await expect_owner_hears(alice, words)
    assert "tone/beep" not in [found.name for found in await call.call.transcript()]


async def test_options_urgent_and_gain_apply(alice: PhoneUser, bob: PhoneUser, stranger: PhoneUser) -> None:
    alice.create_user_and_box()
    bob.create_user_and_box()
    for options, owner in (("u", alice), ("uUg(6)", bob)):
        call = await stranger.dial(dial_string(options, owner))
        await expect_greeting(call, owner)
        await leave_message(call, stranger)
        await call.hang_up()
        await wait_until(owner.messages)
    [plain], [loud] = alice.messages(), bob.messages()
    assert (plain["urgent"], loud["urgent"]) == (False, True)
    plain_db, loud_db = (level_dbfs(_read_samples(message["audio"][0])) for message in (plain, loud))
    assert 4 < loud_db - plain_db < 8


def _read_samples(path: str) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.frombuffer(Path(path).read_bytes()[44:], "<i2")


async def test_message_for_two_boxes_reaches_both(alice: PhoneUser, bob: PhoneUser, stranger: PhoneUser) -> None:
    """The greeting is the first one's; both owners hear the message."""
    alice.create_user_and_box()
    bob.create_user_and_box()
    call = await stranger.dial(f"*37{alice.number}{bob.number}")
    await expect_greeting(call, alice)
    words = await leave_message(call, stranger)
    await call.hang_up()
    for owner in (alice, bob):
        await expect_owner_hears(owner, words)


@pytest.mark.parametrize(("key", "heard"), [("0", ["greeting/transferring", "month/1"]), ("*", ["month/2"])])
async def test_keys_0_and_star_jump_to_o_and_a(
    alice: PhoneUser, stranger: PhoneUser, key: str, heard: list[str]
) -> None:
    alice.create_user_and_box()
    call = await stranger.dial(dial_string("u", alice))
    await call.expect("greeting/person-at")
    await call.press(key)
    await call.expect(*heard, USEREXIT)
    await call.wait_for_hangup()


async def test_option_d_digit_exits_to_context(alice: PhoneUser, stranger: PhoneUser) -> None:
    alice.create_user_and_box()
    call = await stranger.dial(dial_string("ud(lab-digits)", alice))
    await call.expect("greeting/person-at")
    await call.press("5")
    await call.expect("month/5", USEREXIT)
    await call.wait_for_hangup()


async def test_return_in_extension_o_returns_from_site_subroutine(alice: PhoneUser, stranger: PhoneUser) -> None:
    """The line stands in a subroutine of the site's; its o returns to where that was called."""
    alice.create_user_and_box()
    call = await stranger.dial(f"*38{alice.number}")
    await call.expect("greeting/person-at")
    await call.press("0")
    await call.expect("month/3", "weekday/5")
    await call.wait_for_hangup()


async def test_vmstatus_is_failed_for_too_short_and_unknown_box(
    alice: PhoneUser, bob: PhoneUser, stranger: PhoneUser
) -> None:
    alice.create_user_and_box()
    call = await stranger.dial(dial_string("u", alice))
    await expect_greeting(call, alice)
    await call.press("1")
    await call.expect("tone/beep", whole=True)
    await call.press("1")
    await call.expect("greeting/too-short", "greeting/leave-a-message")
    await call.expect("tone/beep", whole=True)
    await call.press("1")
    await call.expect("greeting/too-short", FAILED)
    await call.wait_for_hangup()
    call = await stranger.dial(dial_string("u", bob))
    await call.expect("greeting/no-voicemail", FAILED)
    await call.wait_for_hangup()


async def test_vmstatus_in_hangup_extension_reflects_outcome(
    alice: PhoneUser, stranger: PhoneUser, lab: LabInfo
) -> None:
    """Hung up in the greeting: nothing was left. Hung up while speaking: a message was."""
    alice.create_user_and_box()
    call = await stranger.dial(dial_string("u", alice))
    await call.expect("greeting/person-at")
    await call.hang_up()
    await wait_until(lambda: hangup_vmstatuses(lab, stranger))
    call = await stranger.dial(dial_string("u", alice))
    await expect_greeting(call, alice)
    await leave_message(call, stranger)
    await call.hang_up()
    await wait_until(lambda: len(hangup_vmstatuses(lab, stranger)) == 2)
    assert hangup_vmstatuses(lab, stranger) == ["FAILED", "SUCCESS"]


async def test_option_early_media_plays_greeting_before_answer(alice: PhoneUser, stranger: PhoneUser) -> None:
    """The call is answered for the recording only, so a caller who leaves no message pays nothing."""
    alice.create_user_and_box()
    call = await stranger.dial_early(dial_string("ue", alice))
    await expect_greeting(call, alice)
    assert call.call.answered_s is None
    await call.expect(INSTRUCTIONS, "tone/beep", whole=True)
    assert call.call.answered_s
    words = speech_of(stranger)
    await call.say(words.samples)
    await call.hang_up()
    await expect_owner_hears(alice, words)


async def test_voicemailmain_asks_a_stranger_for_the_pin_in_spite_of_its_s(
    alice: PhoneUser, stranger: PhoneUser
) -> None:
    alice.create_user_and_box(pin="1379")
    message = alice.create_message()
    call = await stranger.dial(f"*39{alice.number}")
    await call.expect("login/enter-pin")
    await call.press("1379#")
    await call.expect("count/you-have", "number/1", "count/new-message")
    await call.press("1")
    await call.expect(message)
    await call.hang_up()


async def test_lines_with_odd_arguments_are_heard(alice: PhoneUser, stranger: PhoneUser) -> None:
    """Each says what the scripted calls say (tests/menus/test_app_voicemail_options.py), and the dialplan goes on."""
    alice.create_user_and_box()
    number = tuple(f"number/{digit}" for digit in alice.number)
    greeting, busy = (
        ("greeting/person-at", *number, f"greeting/{mode}") for mode in ("is-not-available", "is-on-the-phone")
    )
    no_box, no_account = ("greeting/no-voicemail", FAILED), ("login/no-account", FAILED)
    for_owners = (("login/enter-pin",), ("login/enter-box",))
    heard = [greeting, (INSTRUCTIONS,), greeting, busy, no_box, no_box, no_box, no_account, *for_owners]
    for line, prompts in enumerate(heard):
        call = await stranger.dial(f"*48{line}{alice.number}")
        await call.expect(*prompts)
        await call.hang_up()
