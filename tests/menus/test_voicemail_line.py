"""A line that was one of VoiceMail(): what its options do, and what the dialplan is told."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.call.scripted import HangUp, Press, ScriptedCall, Speak, Step
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.store import MediaKind
from tests.support.house import House

GREETING = "The person at extension one zero zero zero is not available."
ON_THE_PHONE = "The person at extension one zero zero zero is on the phone."
INSTRUCTIONS = "Please leave your message after the tone. When you have finished, hang up, or press any key."
BEEP = "(beep)"
TRANSFERRING = "Transferring your call."


@pytest.fixture
async def box(house: House) -> Mailbox:
    return await house.box("1000", owner=house.alice, hunt=False)


async def voicemail(
    house: House, options: str, *script: Step, extensions: tuple[tuple[str, str], ...] = (), **how: Any
) -> ScriptedCall:
    """`VoiceMail(1000,options)` in the context `site`, which has these extensions."""
    arguments = {"number": "1000", "options": options, "exit_context": "site", "reason": "voicemail", **how}
    phone = house.phone(script, path="leave", **arguments)
    phone.extensions |= {*extensions}
    await house.receive(phone)
    return phone


@pytest.mark.parametrize(
    ("options", "heard"),
    [
        ("u", [GREETING, INSTRUCTIONS, BEEP]), ("b", [ON_THE_PHONE, INSTRUCTIONS, BEEP]), ("", [INSTRUCTIONS, BEEP]),
        ("us", [GREETING, BEEP]), ("s", [BEEP]), ("uS", [GREETING, INSTRUCTIONS, BEEP]),
        ("ut", [GREETING, INSTRUCTIONS]), ("ut(custom/pip)", [GREETING, INSTRUCTIONS, "(custom/pip)"]),
    ],
)  # fmt: skip
async def test_what_is_heard_before_the_recording(house: House, box: Mailbox, options: str, heard: list[str]) -> None:
    phone = await voicemail(house, options, Speak(3000, then="hang-up"))
    assert phone.texts == heard
    assert len(await house.messages(box)) == 1


@pytest.mark.parametrize(("options", "urgent"), [("u", False), ("uU", True), ("uP", True)])
async def test_marked_urgent_from_the_beginning(house: House, box: Mailbox, options: str, urgent: bool) -> None:
    await voicemail(house, options, Speak(3000, then="hang-up"))
    [message] = await house.messages(box)
    assert message.urgent is urgent


async def test_of_a_list_the_first_has_the_greeting_and_all_get_the_message(house: House, box: Mailbox) -> None:
    others = [await house.box(number) for number in ("1001", "1002")]
    phone = await voicemail(house, "uU", Speak(3000, then="hang-up"), number="1000@default&1001&1002@demo&1001&1999")
    assert phone.texts == [GREETING, INSTRUCTIONS, BEEP]
    found = [await house.messages(mailbox) for mailbox in (box, *others)]
    assert [[(m.length_ms, m.urgent, m.folder) for m in messages] for messages in found] == [[(3000, True, "new")]] * 3
    assert len({message.id for messages in found for message in messages}) == 3


async def test_a_box_of_the_list_that_is_full_keeps_nobody_from_the_others(house: House, box: Mailbox) -> None:
    full = await house.box("1001")
    other = await house.box("1002")
    for _ in range(100):
        await house.message(full)
    await voicemail(house, "u", Speak(3000, then="hang-up"), number="1000&1001&1002")
    assert [len(await house.messages(mailbox)) for mailbox in (box, full, other)] == [1, 100, 1]


@pytest.mark.parametrize(
    ("keys", "extensions", "branch"),
    [
        ("0", [("site", "o"), ("site", "a")], ("site", "o")),
        ("*", [("site", "o"), ("site", "a")], ("site", "a")),
        ("0", [("site", "a")], None),
        ("5", [("site", "5")], None),
    ],
)
async def test_zero_and_star_lead_where_the_dialplan_says(
    house: House, box: Mailbox, keys: str, extensions: list[tuple[str, str]], branch: tuple[str, str] | None
) -> None:
    phone = await voicemail(
        house, "u", Press(keys, after_ms=500), Speak(3000, then="hang-up"), extensions=tuple(extensions)
    )
    assert phone.branch == branch
    assert phone.told.get("VMSTATUS") == ("USEREXIT" if branch else "SUCCESS")
    assert (TRANSFERRING in phone.texts) is (keys == "0" and branch is not None)


async def test_where_there_is_no_a_star_signs_in(house: House, box: Mailbox) -> None:
    phone = await voicemail(house, "u", Press("*", after_ms=500), HangUp(during="pin"))
    assert phone.texts[1] == "Please enter your pin, then press pound."
    assert phone.told["IVRLISTENS"]


@pytest.mark.parametrize(("options", "context"), [("ud(menu)", "menu"), ("ud", "site")])
async def test_a_digit_leads_out_where_the_dialplan_has_it(
    house: House, box: Mailbox, options: str, context: str
) -> None:
    phone = await voicemail(house, options, Press("5", after_ms=500), extensions=((context, "5"),))
    assert phone.branch == (context, "5")
    phone = await voicemail(
        house, options, Press("6", after_ms=500), Speak(3000, "hang-up"), extensions=((context, "5"),)
    )
    assert phone.branch is None
    assert phone.texts == [GREETING, BEEP]


async def test_in_the_review_zero_keeps_the_message_and_leads_to_o(house: House, box: Mailbox) -> None:
    phone = await voicemail(house, "u", Speak(3000), Press("0", during="To keep"), extensions=(("site", "o"),))
    assert phone.branch == ("site", "o")
    assert phone.told["VMSTATUS"] == "USEREXIT"
    assert len(await house.messages(box)) == 1


async def test_an_owner_who_calls_the_line_leaves_a_message_too(house: House, box: Mailbox) -> None:
    """VoiceMail() asks nobody who they are."""
    phone = await voicemail(house, "u", Speak(3000, then="hang-up"), endpoint="alice")
    assert phone.texts == [GREETING, INSTRUCTIONS, BEEP]


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ([Speak(3000), Press("1", during="To keep")], "SUCCESS"),
        ([Speak(3000, then="hang-up")], "SUCCESS"),
        ([Speak(3000), HangUp(during="To keep")], "SUCCESS"),
        ([Speak(3000), Press("1", during="To keep"), HangUp(during="saved")], "SUCCESS"),
        ([Speak(100)], "FAILED"),
        ([HangUp(during="person")], None),
    ],
    ids=["saved", "hung up while speaking", "hung up in the review", "hung up at last", "too short", "hung up at once"],
)
async def test_vmstatus(house: House, box: Mailbox, script: list[Step], status: str | None) -> None:
    """None: the dialplan has said FAILED before the call came."""
    phone = await voicemail(house, "u", *script)
    assert phone.told.get("VMSTATUS") == status


async def test_vmstatus_of_a_full_box_and_of_none(house: House) -> None:
    await house.box("1000", announcement_only=False)
    assert (await voicemail(house, "u", number="1999")).told["VMSTATUS"] == "FAILED"
    full = await house.box("1001")
    for _ in range(100):
        await house.message(full)
    assert (await voicemail(house, "u", number="1001")).told["VMSTATUS"] == "FAILED"


async def test_a_call_that_is_no_such_line_has_no_vmstatus(house: House, box: Mailbox) -> None:
    phone = await house.call([Speak(3000, then="hang-up")], path="leave", number="1000")
    assert "VMSTATUS" not in phone.told
    assert phone.told["IVRMESSAGE"] == (await house.messages(box))[0].id


async def test_early_media_is_answered_for_the_recording_only(house: House, box: Mailbox) -> None:
    phone = await voicemail(house, "ue", HangUp(during="person"))
    assert not phone.answered
    phone = await voicemail(house, "ue", Speak(3000, then="hang-up"))
    assert phone.answered


async def test_or_to_sign_in(house: House, box: Mailbox) -> None:
    phone = await voicemail(house, "ue", Press("*", after_ms=500), HangUp(during="pin"))
    assert phone.answered


async def test_big_s_leaves_the_instructions_out_where_the_owner_has_recorded_a_greeting(
    house: House, box: Mailbox
) -> None:
    await house.uses(box, MediaKind.UNAVAILABLE)
    phone = await voicemail(house, "uS", Speak(3000, then="hang-up"))
    assert phone.texts == ["(greeting of 1000)", BEEP]
    phone = await voicemail(house, "bS", Speak(3000, then="hang-up"))
    assert phone.texts == ["(greeting of 1000)", BEEP]
