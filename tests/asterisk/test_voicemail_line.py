"""VoiceMail() in one line of ours on a real Asterisk: options, lists, contexts, VMSTATUS, and the jumps to o and a.

The lab says VMSTATUS as a day of the week; its extensions o, a and 5 are months.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.asterisk.conftest import Conversation, Person, eventually, level_dbfs
from tests.asterisk.rig.config import OPTIONS
from tests.asterisk.rig.lab import Notes
from tests.sipphone import Clip
from tests.sipphone.speech import speech

SAID_MS = 3000
SUCCESS, USEREXIT, FAILED = "weekday/1", "weekday/2", "weekday/3"
INSTRUCTIONS = "greeting/leave-a-message"


def line(options: str, owner: Person) -> str:
    """What to dial for a line with these options."""
    return f"*36{OPTIONS.index(options)}{owner.number}"


def words_of(person: Person) -> Clip:
    return Clip("what was said", speech(int(person.number) + 99_000, SAID_MS))


async def greets(call: Conversation, owner: Person, absent: str = "greeting/is-not-available") -> None:
    await call.hears("greeting/person-at", *(f"number/{digit}" for digit in owner.number), absent)


async def leaves_a_message(call: Conversation, caller: Person) -> Clip:
    await call.press("1")
    await call.hears("tone/beep", whole=True)
    words = words_of(caller)
    await call.says(words.samples)
    return words


async def owner_hears(owner: Person, words: Clip) -> None:
    await eventually(owner.messages)
    call = await owner.dials("*97")
    await call.hears("number/1", words)
    await call.hang_up()


def vmstatus_at_the_end(notes: Notes, caller: Person) -> list[str]:
    """What the site's own extension h saw, call by call."""
    log = (Path(notes.folder) / "log" / "messages").read_text(errors="replace")
    return re.findall(rf"lab: {caller.name} ended with VMSTATUS (\w+)", log)


@pytest.mark.parametrize("options", ["u", "b", "us", "uS", "uz"])
async def test_the_greeting_and_the_message(alice: Person, stranger: Person, options: str) -> None:
    """The caller's phone is nobody's: the account is the one behind the @."""
    alice.moves_in()
    call = await stranger.dials(line(options, alice))
    await greets(call, alice, "greeting/is-on-the-phone" if options == "b" else "greeting/is-not-available")
    if options != "us":
        await call.hears(INSTRUCTIONS)
    words = await leaves_a_message(call, stranger)
    await call.press("#")
    await call.hears("to/save-recording")
    await call.press("1")
    await call.hears("done/message-left", SUCCESS)
    await call.ends()
    await owner_hears(alice, words)


async def test_without_u_and_b_only_the_instructions_are_heard(alice: Person, stranger: Person) -> None:
    alice.moves_in()
    call = await stranger.dials(line("", alice))
    await call.hears(INSTRUCTIONS, "tone/beep", whole=True)
    heard = [found.name for found in await call.call.transcript()]
    assert "greeting/person-at" not in heard
    await call.hang_up()


async def test_without_a_beep(alice: Person, stranger: Person) -> None:
    alice.moves_in()
    call = await stranger.dials(line("ut", alice))
    await greets(call, alice)
    await call.press("1")
    words = words_of(stranger)
    await call.says(words.samples)
    await call.hang_up()
    await owner_hears(alice, words)
    assert "tone/beep" not in [found.name for found in await call.call.transcript()]


async def test_urgent_and_louder(alice: Person, bob: Person, stranger: Person) -> None:
    alice.moves_in()
    bob.moves_in()
    for options, owner in (("u", alice), ("uUg(6)", bob)):
        call = await stranger.dials(line(options, owner))
        await greets(call, owner)
        await leaves_a_message(call, stranger)
        await call.hang_up()
        await eventually(owner.messages)
    [plain], [loud] = alice.messages(), bob.messages()
    assert (plain["urgent"], loud["urgent"]) == (False, True)
    plain_db, loud_db = (level_dbfs(_samples(message["audio"][0])) for message in (plain, loud))
    assert 4 < loud_db - plain_db < 8


def _samples(path: str) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.frombuffer(Path(path).read_bytes()[44:], "<i2")


async def test_a_list_of_two_boxes(alice: Person, bob: Person, stranger: Person) -> None:
    """The greeting is the first one's; both owners hear the message."""
    alice.moves_in()
    bob.moves_in()
    call = await stranger.dials(f"*37{alice.number}{bob.number}")
    await greets(call, alice)
    words = await leaves_a_message(call, stranger)
    await call.hang_up()
    for owner in (alice, bob):
        await owner_hears(owner, words)


@pytest.mark.parametrize(("key", "heard"), [("0", ["greeting/transferring", "month/1"]), ("*", ["month/2"])])
async def test_zero_and_star_lead_to_o_and_a(alice: Person, stranger: Person, key: str, heard: list[str]) -> None:
    alice.moves_in()
    call = await stranger.dials(line("u", alice))
    await call.hears("greeting/person-at")
    await call.press(key)
    await call.hears(*heard, USEREXIT)
    await call.ends()


async def test_a_digit_leads_where_the_dialplan_says(alice: Person, stranger: Person) -> None:
    alice.moves_in()
    call = await stranger.dials(line("ud(lab-digits)", alice))
    await call.hears("greeting/person-at")
    await call.press("5")
    await call.hears("month/5", USEREXIT)
    await call.ends()


async def test_a_return_in_o_is_one_of_the_sites_own(alice: Person, stranger: Person) -> None:
    """The line stands in a subroutine of the site's; its o returns to where that was called."""
    alice.moves_in()
    call = await stranger.dials(f"*38{alice.number}")
    await call.hears("greeting/person-at")
    await call.press("0")
    await call.hears("month/3", "weekday/5")
    await call.ends()


async def test_too_short_and_no_such_box_are_failures(alice: Person, bob: Person, stranger: Person) -> None:
    alice.moves_in()
    call = await stranger.dials(line("u", alice))
    await greets(call, alice)
    await call.press("1")
    await call.hears("tone/beep", whole=True)
    await call.press("1")
    await call.hears("greeting/too-short", FAILED)
    await call.ends()
    call = await stranger.dials(line("u", bob))
    await call.hears("greeting/no-voicemail", FAILED)
    await call.ends()


async def test_whoever_hangs_up_is_told_apart_in_h(alice: Person, stranger: Person, notes: Notes) -> None:
    """Hung up in the greeting: nothing was left. Hung up while speaking: a message was."""
    alice.moves_in()
    call = await stranger.dials(line("u", alice))
    await call.hears("greeting/person-at")
    await call.hang_up()
    await eventually(lambda: vmstatus_at_the_end(notes, stranger))
    call = await stranger.dials(line("u", alice))
    await greets(call, alice)
    await leaves_a_message(call, stranger)
    await call.hang_up()
    await eventually(lambda: len(vmstatus_at_the_end(notes, stranger)) == 2)
    assert vmstatus_at_the_end(notes, stranger) == ["FAILED", "SUCCESS"]


async def test_early_media_is_heard_before_the_answer(alice: Person, stranger: Person) -> None:
    """The call is answered for the recording: whoever does not leave one pays for none."""
    alice.moves_in()
    call = await stranger.dials_early(line("ue", alice))
    await greets(call, alice)
    assert call.call.answered_s is None
    await call.hears(INSTRUCTIONS, "tone/beep", whole=True)
    assert call.call.answered_s
    words = words_of(stranger)
    await call.says(words.samples)
    await call.hang_up()
    await owner_hears(alice, words)


async def test_voicemailmain_asks_a_stranger_for_the_pin_in_spite_of_its_s(alice: Person, stranger: Person) -> None:
    alice.moves_in(pin="1379")
    message = alice.has_message()
    call = await stranger.dials(f"*39{alice.number}")
    await call.hears("login/enter-pin")
    await call.press("1379#")
    await call.hears("count/you-have", "number/1", "count/new-message")
    await call.press("1")
    await call.hears(message)
    await call.hang_up()
