"""What a dialplan asks the service, and FreePBX's dialplan with ours in front of it, on a real Asterisk.

The lab says an answer as a number, or as a month; what FreePBX would do without ours is said as "Sunday".
"""

from __future__ import annotations

import subprocess

import pytest

from ivr.mailbox.message_reference import message_reference
from tests.asterisk.conftest import PhoneUser, RecognisedCall, wait_until
from tests.lab.lab import LabInfo
from tests.lab.sip_phone.speech import speech

NAME_KEYS = {letter: key for key, letters in enumerate(("abc", "def", "ghi", "jkl", "mno", "pqrs", "tuv", "wxyz"), 2)
             for letter in letters}  # fmt: skip


async def test_info_answers_without_answering_the_call(alice: PhoneUser, bob: PhoneUser, stranger: PhoneUser) -> None:
    """The service reads nothing to the caller; the dialplan answers behind it."""
    alice.create_user_and_box()
    for _ in range(3):
        alice.create_message()
    for number, answer in ((f"*460{alice.number}", 3), (f"*461{alice.number}", 1), (f"*461{bob.number}", 0)):
        call = await stranger.dial(number)
        await call.expect(f"number/{answer}")
        heard = [found.name for found in await call.call.transcript()]
        assert heard == [f"number/{answer}"]
        await call.wait_for_hangup()


async def test_authenticate_lets_only_the_right_pin_through(alice: PhoneUser, stranger: PhoneUser) -> None:
    alice.create_user_and_box(pin="1379")
    call = await stranger.dial(f"*462{alice.number}")
    await call.expect("login/enter-pin")
    await call.press("9999#")
    await call.expect("login/wrong-pin", "login/enter-pin")
    await call.press("1379#")
    await call.expect("month/1")
    await call.wait_for_hangup()
    call = await stranger.dial(f"*462{alice.number}")
    await call.expect("login/enter-pin")
    await call.press("*")
    await call.wait_for_hangup()
    assert "month/1" not in [found.name for found in await call.call.transcript()]


async def test_name_and_one_message_are_played(alice: PhoneUser, stranger: PhoneUser) -> None:
    alice.create_user_and_box()
    name = alice.create_recording("name")
    message = alice.create_message()
    call = await stranger.dial(f"*463{alice.number}")
    await call.expect(name, "month/3")
    await call.wait_for_hangup()
    call = await stranger.dial(f"*464{alice.number}*{message_reference(message.id)}")
    await call.expect(message, "month/4")
    await call.wait_for_hangup()
    await wait_until(lambda: alice.folder_of(message) == "saved")


async def test_directory_dials_the_chosen_person(alice: PhoneUser, stranger: PhoneUser) -> None:
    """Two owners have the name; the second is chosen, and the dialplan leads to that mailbox."""
    alice.create_user_and_box(name=f"Zoe Q{alice.name}")
    letters = f"q{alice.name}"
    call = await stranger.dial("*465")
    await call.expect("directory/enter-name")
    keys = "".join(str(NAME_KEYS.get(letter, letter)) for letter in letters)
    await call.press(f"{keys}#")
    await call.expect("letter/z", "letter/o", "letter/e", "letter/q", "envelope/extension")
    await call.press("1")
    await call.expect("greeting/person-at", *(f"number/{digit}" for digit in alice.number))
    await call.hang_up()


async def test_light_is_a_hint(alice: PhoneUser, stranger: PhoneUser) -> None:
    """What a key of a phone shows: MWI:NUMBER@ivr is in use while there are new messages."""
    alice.create_user_and_box()
    call = await stranger.dial(f"*466{alice.number}")
    await call.expect("month/11")
    await call.wait_for_hangup()
    call = await stranger.dial(alice.number)
    await call.expect("greeting/person-at")
    await call.press("#")
    await leave_message(call, stranger)
    await call.hang_up()
    for _ in range(5):  # The light is switched on a moment after the message is stored.
        call = await stranger.dial(f"*466{alice.number}")
        await call.wait_for_hangup()
        if "month/12" in [found.name for found in await call.call.transcript()]:
            return
    raise AssertionError("the hint is not in use")


# -- FreePBX -------------------------------------------------------------------------------------------------------


async def leave_message(call: RecognisedCall, caller: PhoneUser) -> None:
    await call.expect("tone/beep", whole=True, within_s=20)
    await call.say(speech(int(caller.number) + 77_000, 2000))
    await call.press("#")
    await call.press("1")


def store_vmx(lab: LabInfo, owner: PhoneUser, mode: str, *entries: str) -> None:
    """Store keys and values of the VmX Locater in Asterisk's database, as FreePBX does."""
    for entry in entries:
        command = f"database put AMPUSER/{owner.number}/vmx/{mode} {entry}"
        subprocess.run([*lab.console_command, "-rx", command], check=True, capture_output=True)


async def test_freepbx_leads_to_ivr_and_gets_the_call_back(alice: PhoneUser, stranger: PhoneUser, lab: LabInfo) -> None:
    """No answer and busy have their greetings; *97 and *98 open mailboxes. Nothing of FreePBX's own lines is run."""
    alice.create_user_and_box()
    calls = []
    for mode, absent in ((0, "greeting/is-not-available"), (1, "greeting/is-on-the-phone")):
        call = await stranger.dial(f"*44*45{mode}{alice.number}")
        await call.expect("greeting/person-at", absent)
        await call.press("1")
        await leave_message(call, stranger)
        await call.expect("done/message-left", "weekday/5")
        await call.wait_for_hangup()
        calls.append(call)
    assert len(alice.messages()) == 2
    call = await alice.dial("*44*97")
    await call.expect("count/you-have")
    await call.hang_up()
    calls.append(call)
    for number, prompt in (("*44*98", "login/enter-box"), (f"*44*98{alice.number}", "login/enter-pin")):
        call = await stranger.dial(number)
        await call.expect(prompt)
        await call.hang_up()
        calls.append(call)
    for call in calls:
        assert "weekday/7" not in [found.name for found in await call.call.transcript()]


async def test_vmx_locater_leads_where_the_owner_says(alice: PhoneUser, stranger: PhoneUser, lab: LabInfo) -> None:
    alice.create_user_and_box()
    greeting = alice.create_recording("unavailable")
    store_vmx(lab, alice, "unavail", "state enabled", "4/ext 4", "4/context lab-vmx", "4/pri 1", "5/ext dovm")
    store_vmx(lab, alice, "unavail", "vmxopts/dovm s", "loops 0", "loopdest/ext 8", "loopdest/context lab-vmx")
    expected = {"4": ("month/4",), "0": ("month/6",), "5": ("tone/beep",), "7": ("entry/invalid", "month/8")}
    for key, heard in expected.items():
        call = await stranger.dial(f"*44*450{alice.number}")
        await call.expect(greeting)
        await call.press(key)
        await call.expect(*heard)
        await call.hang_up()
    call = await stranger.dial(f"*44*450{alice.number}")
    await call.expect(greeting, "greeting/leave-a-message", "tone/beep", within_s=20)
    await call.hang_up()


@pytest.mark.long
async def test_vmx_locater_of_another_greeting_is_not_asked(
    alice: PhoneUser, stranger: PhoneUser, lab: LabInfo
) -> None:
    """It is enabled for busy only, and only with a greeting of the owner's own."""
    alice.create_user_and_box()
    store_vmx(lab, alice, "busy", "state enabled", "4/ext 4", "4/context lab-vmx")
    call = await stranger.dial(f"*44*451{alice.number}")
    await call.expect("greeting/person-at", "greeting/is-on-the-phone")
    await call.hang_up()
    alice.create_recording("busy")
    call = await stranger.dial(f"*44*450{alice.number}")
    await call.expect("greeting/person-at")
    await call.hang_up()
