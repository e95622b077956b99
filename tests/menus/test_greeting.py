"""The greeting of a mailbox, and its keys."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.errors import UnplayableSound
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import MediaKind
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Meanwhile, Press, ScriptedCall, ScriptStep, Speak

NUMBER = "The person at extension one zero zero zero is not available."
NAME = "(name of 1000)"
UNAVAILABLE_GREETING = "(greeting of 1000)"
TEMPORARY_GREETING = "(temporary greeting of 1000)"
INTRO = "Your call could not be answered."
ANONYMOUS_GREETING = "Nobody is available to take your call."
INSTRUCTIONS = "Please leave your message after the tone. When you have finished, hang up, or press any key."
BEEP = "(beep)"
PIN = "Please enter your pin, then press pound."


async def call_box(app: AppFixture, *script: ScriptStep, **options: Any) -> ScriptedCall:
    return await app.run_call(script, path="leave", number="1000", **options)


async def greeting_texts(app: AppFixture, **options: Any) -> list[str]:
    """Return the prompts before the instructions."""
    phone = await call_box(app, HangUp(during="Please leave"), **options)
    return phone.texts[: phone.texts.index(INSTRUCTIONS)]


async def test_generic_greeting_says_number_without_recordings(app: AppFixture) -> None:
    await app.create_box()
    assert await greeting_texts(app) == [NUMBER]


async def test_greeting_uses_recorded_name_without_greeting(app: AppFixture) -> None:
    await app.activate_recordings(await app.create_box(), MediaKind.NAME)
    assert await greeting_texts(app) == [NAME, "is not available."]


async def test_unavailable_greeting_precedes_generic_greeting(app: AppFixture) -> None:
    await app.activate_recordings(await app.create_box(), MediaKind.UNAVAILABLE, MediaKind.NAME)
    assert await greeting_texts(app) == [UNAVAILABLE_GREETING]


async def test_temporary_greeting_precedes_others_until_it_expires(app: AppFixture) -> None:
    until = int(app.clock.now()) + 3600
    await app.activate_recordings(
        await app.create_box(), MediaKind.UNAVAILABLE, MediaKind.TEMPORARY, temporary_until=until
    )
    assert await greeting_texts(app) == [TEMPORARY_GREETING]
    app.clock.advance(s=3600)
    assert await greeting_texts(app) == [UNAVAILABLE_GREETING]


async def test_greeting_none_leaves_out_the_temporary_one_but_in_lines_of_app_voicemail(app: AppFixture) -> None:
    """VoiceMail() without u and b plays it."""
    await app.activate_recordings(await app.create_box(), MediaKind.UNAVAILABLE, MediaKind.TEMPORARY)
    assert await greeting_texts(app, greeting="none") == []
    assert await greeting_texts(app, options="") == [TEMPORARY_GREETING]


async def test_unavailable_greeting_plays_after_temporary_is_removed(app: AppFixture) -> None:
    box = await app.activate_recordings(await app.create_box(), MediaKind.UNAVAILABLE, MediaKind.TEMPORARY)
    assert await greeting_texts(app) == [TEMPORARY_GREETING]
    await app.container.boxes.patch(box, {"media": {"temporary_unavailable": None}})
    assert await greeting_texts(app) == [UNAVAILABLE_GREETING]


async def test_generic_greeting_can_be_anonymous(app: AppFixture) -> None:
    box = await app.activate_recordings(await app.create_box(use_person_not_available=True), MediaKind.NAME)
    assert await greeting_texts(app) == [ANONYMOUS_GREETING]
    await app.activate_recordings(box, MediaKind.UNAVAILABLE)
    assert await greeting_texts(app) == [UNAVAILABLE_GREETING]


async def test_prompt_before_greeting_plays_first(app: AppFixture) -> None:
    await app.create_box(play_greeting_intro=True)
    assert await greeting_texts(app) == [INTRO, NUMBER]


async def test_greeting_can_be_skipped_by_box(app: AppFixture) -> None:
    await app.activate_recordings(await app.create_box(skip_greeting=True), MediaKind.UNAVAILABLE)
    assert await greeting_texts(app) == []


@pytest.mark.parametrize(("skip", "heard"), [(1, [NUMBER, BEEP]), (0, [NUMBER, INSTRUCTIONS, BEEP])])
async def test_instructions_are_skipped_by_0_and_1_as_well(app: AppFixture, skip: int, heard: list[str]) -> None:
    await app.create_box(skip_instructions=skip)
    assert (await call_box(app, Speak(3000, then="hang-up"))).texts == heard


@pytest.mark.parametrize("during", ["The person", "Please leave"])
@pytest.mark.parametrize("key", "#123456789")
async def test_any_key_skips_greeting_to_beep(app: AppFixture, key: str, during: str) -> None:
    await app.create_box()
    phone = await call_box(app, Press(key, during=during, after_ms=300), Speak(3000, then="hang-up"))
    assert phone.texts[-1] == BEEP
    assert phone.heard_sounds[-2].to_ms == 300


@pytest.mark.parametrize("during", ["The person", "Please leave"])
async def test_star_during_greeting_starts_login_with_pin(app: AppFixture, during: str) -> None:
    await app.create_box()
    phone = await call_box(app, Press("*", during=during), Press("1379#", during="pin"), Press("#", during="To leave"))
    assert PIN in phone.texts
    assert BEEP not in phone.texts
    assert phone.texts[-1] == "Goodbye."
    assert phone.status == "DONE"


async def test_star_and_pin_may_be_typed_in_one_go(app: AppFixture) -> None:
    await app.create_box()
    phone = await call_box(app, Press("*1379#"), Press("#", during="To change", after_ms=400))
    assert phone.texts[1] == "You have no messages."
    assert phone.texts[-1] == "Goodbye."


async def test_star_on_own_phone_needs_no_pin(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, check_if_owner=False)
    phone = await call_box(app, Press("*", during="The person"), endpoint="alice")
    assert PIN not in phone.texts
    assert "You have no messages." in phone.texts


async def test_three_wrong_pins_after_star_end_call(app: AppFixture) -> None:
    await app.create_box()
    phone = await call_box(app, Press("*"), *[Press("0000#", during="pin")] * 3)
    assert phone.status == "NOACCESS"


async def test_skip_key_is_unassigned_by_default(app: AppFixture) -> None:
    await app.create_box(keys={"continue": "9"})
    phone = await call_box(app, Press("9", during="The person"))
    assert phone.texts == [NUMBER]
    assert phone.status == "EXIT"
    assert phone.continue_target is None


async def test_greeting_keys_are_configurable(app: AppFixture) -> None:
    await app.create_box(keys={"login": "7"})
    assert BEEP in (await call_box(app, Press("*"), Speak(900, then="hang-up"))).texts
    assert PIN in (await call_box(app, Press("7"), HangUp(during="pin"))).texts


@pytest.mark.parametrize("during", ["The person", "Please leave"])
async def test_hangup_during_greeting_leaves_no_message(app: AppFixture, during: str) -> None:
    box: Mailbox = await app.create_box()
    phone = await call_box(app, HangUp(during=during, after_ms=200))
    assert phone.status == "HANGUP"
    assert await app.messages(box) == []
    assert await app.container.voicemail_services.takes.list_unfinished() == []


async def unplayable_sound() -> None:
    raise UnplayableSound("Asterisk cannot play it")


async def test_unplayable_greeting_does_not_block_caller(app: AppFixture) -> None:
    box = await app.activate_recordings(await app.create_box(), MediaKind.UNAVAILABLE)
    phone = await call_box(app, Meanwhile(UNAVAILABLE_GREETING, unplayable_sound), Speak(3000, then="hang-up"))
    assert phone.texts == [NUMBER, INSTRUCTIONS, BEEP]
    assert len(await app.messages(box)) == 1
