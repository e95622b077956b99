"""Dialplan lines that used to be VoiceMail(): their options, and the variables set for the dialplan."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import MediaKind
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall, ScriptStep, Speak

GREETING = "The person at extension one zero zero zero is not available."
BUSY_GREETING = "The person at extension one zero zero zero is on the phone."
INSTRUCTIONS = "Please leave your message after the tone. When you have finished, hang up, or press any key."
BEEP = "(beep)"
TRANSFERRING = "Transferring your call."


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", owner=app.alice, hunt=False)


async def call_voicemail_app(
    app: AppFixture, options: str, *script: ScriptStep, extensions: tuple[tuple[str, str], ...] = (), **arguments: Any
) -> ScriptedCall:
    """Run `VoiceMail(1000,options)` in the context `site`, which has `extensions`."""
    line = {"number": "1000", "options": options, "exit_context": "site", "reason": "voicemail", **arguments}
    phone = app.new_call(script, path="leave", **line)
    phone.extensions |= {*extensions}
    await app.handle_call(phone)
    return phone


@pytest.mark.parametrize(
    ("options", "heard"),
    [
        ("u", [GREETING, INSTRUCTIONS, BEEP]), ("b", [BUSY_GREETING, INSTRUCTIONS, BEEP]), ("", [INSTRUCTIONS, BEEP]),
        ("us", [GREETING, BEEP]), ("s", [BEEP]), ("uS", [GREETING, INSTRUCTIONS, BEEP]),
        ("ut", [GREETING, INSTRUCTIONS]), ("ut(custom/pip)", [GREETING, INSTRUCTIONS, "(custom/pip)"]),
    ],
)  # fmt: skip
async def test_voicemail_options_select_prompts_before_recording(
    app: AppFixture, box: Mailbox, options: str, heard: list[str]
) -> None:
    phone = await call_voicemail_app(app, options, Speak(3000, then="hang-up"))
    assert phone.texts == heard
    assert len(await app.messages(box)) == 1


@pytest.mark.parametrize("options", ["", "S", "u", "b"])
async def test_temporary_greeting_is_heard_whatever_the_line_says(app: AppFixture, box: Mailbox, options: str) -> None:
    """VoiceMail() plays it without u and b too; of the other greetings it plays none then."""
    await app.activate_recordings(box, MediaKind.UNAVAILABLE, MediaKind.TEMPORARY)
    phone = await call_voicemail_app(app, options, Speak(3000, then="hang-up"))
    assert phone.texts == ["(temporary greeting of 1000)", *([] if options == "S" else [INSTRUCTIONS]), BEEP]


async def test_own_greeting_that_is_not_played_leaves_the_instructions(app: AppFixture, box: Mailbox) -> None:
    await app.activate_recordings(box, MediaKind.UNAVAILABLE)
    phone = await call_voicemail_app(app, "S", Speak(3000, then="hang-up"))
    assert phone.texts == [INSTRUCTIONS, BEEP]


@pytest.mark.parametrize(("own", "key", "target"), [
    ({"exit_context": "own"}, "0", ("own", "o")), ({"exit_context": "own"}, "*", ("own", "a")),
    ({}, "0", ("site", "o")), ({"keys": {"operator": ""}}, "0", None), ({"keys": {"operator": ""}}, "*", ("site", "a")),
])  # fmt: skip
async def test_exit_context_and_operator_are_those_of_the_mailbox(
    app: AppFixture, own: dict[str, Any], key: str, target: tuple[str, str] | None
) -> None:
    """As exitcontext and operator=no of voicemail.conf, which an import has made settings of the mailbox."""
    await app.create_box("1000", hunt=False, **own)
    extensions = tuple((context, extension) for context in ("site", "own") for extension in "oa")
    phone = await call_voicemail_app(
        app, "u", Press(key, after_ms=500), Speak(3000, then="hang-up"), extensions=extensions
    )
    assert phone.continue_target == target
    assert phone.variables_set["VMSTATUS"] == ("USEREXIT" if target else "SUCCESS")


@pytest.mark.parametrize(("options", "urgent"), [("u", False), ("uU", True), ("uP", True)])
async def test_urgent_option_marks_message(app: AppFixture, box: Mailbox, options: str, urgent: bool) -> None:
    await call_voicemail_app(app, options, Speak(3000, then="hang-up"))
    [message] = await app.messages(box)
    assert message.urgent is urgent


async def test_box_list_plays_first_greeting_and_delivers_to_all(app: AppFixture, box: Mailbox) -> None:
    others = [await app.create_box(number) for number in ("1001", "1002")]
    phone = await call_voicemail_app(
        app, "uU", Speak(3000, then="hang-up"), number="1000@default&1001&1002@demo&1001&1999"
    )
    assert phone.texts == [GREETING, INSTRUCTIONS, BEEP]
    found = [await app.messages(mailbox) for mailbox in (box, *others)]
    assert [[(m.length_ms, m.urgent, m.folder) for m in messages] for messages in found] == [[(3000, True, "new")]] * 3
    assert len({message.id for messages in found for message in messages}) == 3


NO_BOX = "I am sorry, the person you are calling is not available, and does not have voicemail."
NO_ACCOUNT = "I am sorry, this phone is not set up for voicemail."
ENTER_PIN, ENTER_BOX = "Please enter your pin, then press pound.", "Please enter your mailbox number, then press pound."
LONG, FULL_WIDTH = "1" * 200, "\uff11\uff10\uff10\uff10"
ODD_NUMBERS = {
    ("1000", "1000@", "1000@default", "1000@demo", " 1000 ", "1000&", "&1000", "&&1000@default&", "1000&9999",
     "9999&1000", "1000&1000", "&".join(["1000"] * 200)): ("HANGUP", "SUCCESS", GREETING, ENTER_PIN),
    ("", " ", "@", "@default", "&", "&&&"): ("NOBOX", "FAILED", NO_BOX, ENTER_BOX),
    ("9999", "-1", "+1000", "s", "é", FULL_WIDTH, LONG, "../../etc", "1000;x", "a\u202eb", "%s", "'; DROP"): (
        "NOBOX", "FAILED", NO_BOX, ENTER_PIN),
    ("1000@nowhere", "1000@default@demo", f"1000@{LONG}", "1000@é"): ("NOACCOUNT", "FAILED", NO_ACCOUNT, NO_ACCOUNT),
}  # fmt: skip
"""Numbers of a line; its IVR_STATUS and VMSTATUS, and what is heard first by VoiceMail() and by VoiceMailMain()."""
ODD_OPTIONS = {
    ("u", "uuuu", "u" * 200, "uz", "u(", "uu)", "ug(99)", "ug(#)", "ug()", "ug", "ug(nan)", "ug(1e3)", "ud()", "ud",
     "ud(no such)", "uP", "uU", "ue", "ut(é)", "ut()", "ua(0)", "upr", "ué", f"u{LONG}"): GREETING,
    ("b", "ub", "bu", "u,b", "u|b", "b(1)b"): BUSY_GREETING,
    ("", "g", "(", "((", ")", "é", "z" * 200, "S", "p", "d(", "a(0)"): INSTRUCTIONS,
    ("s", "sss", "s é"): BEEP,
}  # fmt: skip
"""Options of a line, and what is heard first. What is no option is left out."""


async def test_line_with_any_mailbox_ends_with_a_status_and_a_prompt(app: AppFixture, box: Mailbox) -> None:
    for numbers, (status, vm_status, for_caller, for_owner) in ODD_NUMBERS.items():
        for number in numbers:
            phone = await call_voicemail_app(app, "u", Speak(3000, then="hang-up"), number=number)
            found = (phone.status, phone.variables_set.get("VMSTATUS"), phone.texts[0])
            assert found == (status, vm_status, for_caller), number
            phone = await app.run_call([HangUp(during="enter")], path="check", number=number, options="s")
            assert phone.texts[0] == for_owner, number
            assert phone.status in ("HANGUP", "NOACCOUNT"), number


async def test_line_with_any_options_leaves_a_message(app: AppFixture, box: Mailbox) -> None:
    lines = [(options, heard) for group, heard in ODD_OPTIONS.items() for options in group]
    for options, heard in lines:
        phone = await call_voicemail_app(app, options, Speak(3000), Press("1", during="To keep"))
        found = (phone.status, phone.variables_set.get("VMSTATUS"), phone.texts[0])
        assert found == ("DONE", "SUCCESS", heard), options
        phone = await app.run_call([HangUp(during="enter")], path="check", number="1000", options=options)
        assert (phone.status, phone.texts) == ("HANGUP", [ENTER_PIN]), options
    assert len(await app.messages(box)) == len(lines)


async def test_mailbox_that_only_greets_is_a_success(app: AppFixture) -> None:
    """As VoiceMail() with maxmsg=0."""
    await app.create_box("1000", announcement_only=True)
    phone = await call_voicemail_app(app, "u")
    assert (phone.texts[0], phone.variables_set.get("VMSTATUS")) == (GREETING, "SUCCESS")


async def test_full_box_in_list_does_not_block_others(app: AppFixture, box: Mailbox) -> None:
    full = await app.create_box("1001")
    other = await app.create_box("1002")
    for _ in range(100):
        await app.create_message(full)
    await call_voicemail_app(app, "u", Speak(3000, then="hang-up"), number="1000&1001&1002")
    assert [len(await app.messages(mailbox)) for mailbox in (box, full, other)] == [1, 100, 1]


@pytest.mark.parametrize(
    ("keys", "extensions", "branch"),
    [
        ("0", [("site", "o"), ("site", "a")], ("site", "o")),
        ("*", [("site", "o"), ("site", "a")], ("site", "a")),
        ("0", [("site", "a")], None),
        ("5", [("site", "5")], None),
    ],
)
async def test_keys_0_and_star_exit_to_dialplan_extensions(
    app: AppFixture, box: Mailbox, keys: str, extensions: list[tuple[str, str]], branch: tuple[str, str] | None
) -> None:
    phone = await call_voicemail_app(
        app, "u", Press(keys, after_ms=500), Speak(3000, then="hang-up"), extensions=tuple(extensions)
    )
    assert phone.continue_target == branch
    assert phone.variables_set.get("VMSTATUS") == ("USEREXIT" if branch else "SUCCESS")
    assert (TRANSFERRING in phone.texts) is (keys == "0" and branch is not None)


async def test_star_without_extension_a_starts_login(app: AppFixture, box: Mailbox) -> None:
    phone = await call_voicemail_app(app, "u", Press("*", after_ms=500), HangUp(during="pin"))
    assert phone.texts[1] == "Please enter your pin, then press pound."
    assert phone.variables_set["IVR_OWNER_LOGIN"]


@pytest.mark.parametrize(("options", "context"), [("ud(menu)", "menu"), ("ud", "site")])
async def test_option_d_digit_exits_to_context(app: AppFixture, box: Mailbox, options: str, context: str) -> None:
    phone = await call_voicemail_app(app, options, Press("5", after_ms=500), extensions=((context, "5"),))
    assert phone.continue_target == (context, "5")
    phone = await call_voicemail_app(
        app, options, Press("6", after_ms=500), Speak(3000, "hang-up"), extensions=((context, "5"),)
    )
    assert phone.continue_target is None
    assert phone.texts == [GREETING, BEEP]


async def test_key_0_in_review_saves_message_and_exits_to_o(app: AppFixture, box: Mailbox) -> None:
    phone = await call_voicemail_app(app, "u", Speak(3000), Press("0", during="To keep"), extensions=(("site", "o"),))
    assert phone.continue_target == ("site", "o")
    assert phone.variables_set["VMSTATUS"] == "USEREXIT"
    assert len(await app.messages(box)) == 1


async def test_owner_calling_voicemail_line_leaves_message(app: AppFixture, box: Mailbox) -> None:
    """VoiceMail() does not check who is calling."""
    phone = await call_voicemail_app(app, "u", Speak(3000, then="hang-up"), endpoint="alice")
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
async def test_vmstatus_reflects_outcome(
    app: AppFixture, box: Mailbox, script: list[ScriptStep], status: str | None
) -> None:
    """None: the variable keeps the FAILED that the dialplan set before the call."""
    phone = await call_voicemail_app(app, "u", *script)
    assert phone.variables_set.get("VMSTATUS") == status


async def test_vmstatus_is_failed_for_full_and_unknown_box(app: AppFixture) -> None:
    await app.create_box("1000", announcement_only=False)
    assert (await call_voicemail_app(app, "u", number="1999")).variables_set["VMSTATUS"] == "FAILED"
    full = await app.create_box("1001")
    for _ in range(100):
        await app.create_message(full)
    assert (await call_voicemail_app(app, "u", number="1001")).variables_set["VMSTATUS"] == "FAILED"


async def test_call_without_voicemail_options_sets_no_vmstatus(app: AppFixture, box: Mailbox) -> None:
    phone = await app.run_call([Speak(3000, then="hang-up")], path="leave", number="1000")
    assert "VMSTATUS" not in phone.variables_set
    assert phone.variables_set["IVR_MESSAGE_ID"] == (await app.messages(box))[0].id


async def test_early_media_call_is_answered_only_for_recording(app: AppFixture, box: Mailbox) -> None:
    phone = await call_voicemail_app(app, "ue", HangUp(during="person"))
    assert not phone.answered
    phone = await call_voicemail_app(app, "ue", Speak(3000, then="hang-up"))
    assert phone.answered


async def test_early_media_call_is_answered_for_login(app: AppFixture, box: Mailbox) -> None:
    phone = await call_voicemail_app(app, "ue", Press("*", after_ms=500), HangUp(during="pin"))
    assert phone.answered


async def test_option_S_skips_instructions_when_greeting_is_recorded(app: AppFixture, box: Mailbox) -> None:
    await app.activate_recordings(box, MediaKind.UNAVAILABLE)
    phone = await call_voicemail_app(app, "uS", Speak(3000, then="hang-up"))
    assert phone.texts == ["(greeting of 1000)", BEEP]
    phone = await call_voicemail_app(app, "bS", Speak(3000, then="hang-up"))
    assert phone.texts == ["(greeting of 1000)", BEEP]
