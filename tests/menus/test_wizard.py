"""The first use of a mailbox."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.mailbox.mailbox import Mailbox
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall, ScriptStep, Silence, Speak

WELCOME = "Welcome to your mailbox. Let us set it up. First, choose your pin."
NEW = "Please enter your new pin, then press pound. A pin has four to six digits. To cancel, press star."
AGAIN = "Please enter it again, then press pound."
SET = "Your new pin has been saved."
NOW_RECORD = "Now record the greeting that callers will hear."
ASK = "After the tone, please record your greeting. Press any key when you have finished."
REVIEW = "To use this recording"
READY = "Your mailbox is ready. You can change all of this later in the settings."
LATER = "We will go on with this on your next call."
MAIN = "You have no messages."
PIN = [Press("2849#", during=NEW), Press("2849#", during=AGAIN)]


def press_in_review(key: str) -> Press:
    return Press(key, during=REVIEW)


async def run_first_use(app: AppFixture, *script: ScriptStep, **settings: Any) -> tuple[Mailbox, ScriptedCall]:
    """Create Alice's mailbox 1000, which is not set up, and run her call."""
    made = await app.create_box("1000", owner=app.alice, pin=None, is_setup=False, **settings)
    phone = await app.run_call(script, endpoint="alice", number="1000")
    return await app.container.boxes.get(made.id), phone


async def pin_opens(app: AppFixture, box: Mailbox, pin: str = "2849") -> bool:
    return await app.container.secret_store.verify(box.account_id, box.pin_secret_ref, pin)


async def test_wizard_sets_pin_and_greeting(app: AppFixture) -> None:
    box, phone = await run_first_use(app, *PIN, Speak(3000), press_in_review("1"), Press("#", during=MAIN))
    assert [text for text in phone.texts if not text.startswith(REVIEW)] == [
        WELCOME, NEW, AGAIN, SET, NOW_RECORD, ASK, "(beep)", "Saved.", READY, MAIN, "Goodbye.",
    ]  # fmt: skip
    assert box.settings.is_setup
    assert await pin_opens(app, box)
    assert box.settings.media.unavailable
    assert (await app.run_call(endpoint="alice", number="1000")).texts[0] == MAIN


async def test_wizard_on_own_phone_needs_no_pin(app: AppFixture) -> None:
    _, phone = await run_first_use(app)
    assert phone.texts[0] == WELCOME


async def test_wizard_from_other_phone_requires_pin(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice, pin="0000", is_setup=False)
    phone = await app.run_call([Press("0000#", during="enter your pin"), *PIN], number="1000")
    assert phone.texts[:3] == ["Please enter your pin, then press pound.", WELCOME, NEW]


async def test_wizard_replaces_first_pin_that_is_the_number_of_the_mailbox(app: AppFixture) -> None:
    box = await app.create_box("1002", owner=app.alice, pin="1002", is_setup=False)
    keys: list[ScriptStep] = [Press("1002#", during="enter your pin"), Press("1002#", during=NEW), *PIN]
    phone = await app.run_call([*keys, HangUp(during=NOW_RECORD)], number="1002")
    assert phone.texts[1:3] == [WELCOME, NEW]
    assert phone.texts[3] == "A pin cannot be your mailbox number."
    assert await pin_opens(app, box)
    assert not await pin_opens(app, box, "1002")


async def test_new_messages_play_after_wizard(app: AppFixture) -> None:
    box = await app.create_box("1000", owner=app.alice, pin=None, is_setup=False)
    message = await app.create_message(box)
    phone = await app.run_call([*PIN, Speak(3000), press_in_review("1")], endpoint="alice", number="1000")
    after = phone.texts[phone.texts.index(READY) :]
    assert after[1:4] == ["You have one new message", "Message one", f"(message {message.id})"]


async def test_wizard_without_pin_leaves_box_unset(app: AppFixture) -> None:
    box, phone = await run_first_use(app, *[Press("1111#", during=NEW)] * 3)
    assert phone.texts[-1] == "Your pin was not changed. Goodbye."
    assert phone.status == "DONE"
    assert not box.settings.is_setup


async def test_hangup_after_pin_keeps_pin_and_restarts_wizard(app: AppFixture) -> None:
    box, _ = await run_first_use(app, *PIN, HangUp(during=NOW_RECORD))
    assert await pin_opens(app, box)
    assert not box.settings.is_setup
    assert (await app.run_call(endpoint="alice", number="1000")).texts[0] == WELCOME


async def test_hangup_while_recording_offers_greeting_in_next_wizard(app: AppFixture) -> None:
    box, _ = await run_first_use(app, *PIN, Speak(3000, then="hang-up"))
    assert box.settings.media.unavailable is None
    phone = await app.run_call([*PIN, press_in_review("1")], endpoint="alice", number="1000")
    assert phone.texts[4:6] == [NOW_RECORD, "The greeting that you recorded on an earlier call is not in use yet."]
    changed = await app.container.boxes.get(box.id)
    assert changed.settings.media.unavailable
    assert changed.settings.is_setup


async def test_wizard_completes_without_greeting(app: AppFixture) -> None:
    box, phone = await run_first_use(app, *PIN, Speak(3000), press_in_review("7"), Press("#", during=MAIN))
    assert phone.texts[-4:] == ["The recording was not kept.", READY, MAIN, "Goodbye."]
    assert box.settings.is_setup


async def test_undecided_review_does_not_end_wizard_call(app: AppFixture) -> None:
    box, phone = await run_first_use(app, *PIN, Speak(3000), *[Silence()] * 4, Press("#", during=MAIN))
    assert phone.texts[-3:] == [LATER, MAIN, "Goodbye."]
    assert not box.settings.is_setup


async def test_too_short_greeting_is_asked_again(app: AppFixture) -> None:
    box, phone = await run_first_use(app, *PIN, Speak(300), Speak(3000), press_in_review("1"))
    assert phone.texts.count("The recording was too short to be kept.") == 1
    assert box.settings.is_setup


async def test_three_too_short_greetings_postpone_wizard(app: AppFixture) -> None:
    box, phone = await run_first_use(app, *PIN, *[Speak(300)] * 3)
    assert phone.texts[phone.texts.index(LATER) + 1] == MAIN
    assert not box.settings.is_setup


async def test_wizard_of_unconfigurable_box_asks_only_for_pin(app: AppFixture) -> None:
    box, phone = await run_first_use(app, *PIN, Press("#", during=MAIN), not_configurable=True)
    assert phone.texts == [WELCOME, NEW, AGAIN, SET, "Your mailbox is ready.", MAIN, "Goodbye."]
    assert box.settings.is_setup


@pytest.mark.parametrize("announcement_only", [True, False])
async def test_wizard_leads_to_main_menu(app: AppFixture, announcement_only: bool) -> None:
    _, phone = await run_first_use(app, *PIN, Speak(3000), press_in_review("1"), announcement_only=announcement_only)
    assert phone.texts[phone.texts.index(READY) + 1] == MAIN
