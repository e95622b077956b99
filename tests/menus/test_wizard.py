"""The first use of a box."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.call.scripted import HangUp, Press, ScriptedCall, Silence, Speak, Step
from ivr.mailbox.mailbox import Mailbox
from tests.support.house import House

WELCOME = "Welcome to your mailbox. Let us set it up. First, choose your pin."
NEW = "Please enter your new pin, then press pound."
AGAIN = "Please enter it again, then press pound."
SET = "Your new pin has been saved."
NOW_RECORD = "Now record the greeting that callers will hear."
ASK = "After the tone, please record your greeting. Press any key when you have finished."
REVIEW = "To use this recording"
READY = "Your mailbox is ready. You can change all of this later in the settings."
LATER = "We will go on with this on your next call."
MAIN = "You have no messages."
PIN = [Press("2468#", during=NEW), Press("2468#", during=AGAIN)]


def review(key: str) -> Press:
    return Press(key, during=REVIEW)


async def first_use(house: House, *script: Step, **settings: Any) -> tuple[Mailbox, ScriptedCall]:
    """Box 1000, which is alice's and not set up, after she has called."""
    made = await house.box("1000", owner=house.alice, pin=None, is_setup=False, **settings)
    phone = await house.call(script, endpoint="alice", number="1000")
    return await house.app.boxes.get(made.id), phone


async def has_pin(house: House, box: Mailbox, pin: str = "2468") -> bool:
    return await house.app.secrets.matches(box.account_id, box.pin_ref, pin)


async def test_pin_greeting_and_it_is_ready(house: House) -> None:
    box, phone = await first_use(house, *PIN, Speak(3000), review("1"), Press("#", during=MAIN))
    assert [text for text in phone.texts if not text.startswith(REVIEW)] == [
        WELCOME, NEW, AGAIN, SET, NOW_RECORD, ASK, "(beep)", "Saved.", READY, MAIN, "Goodbye.",
    ]  # fmt: skip
    assert box.settings.is_setup
    assert await has_pin(house, box)
    assert box.settings.media.unavailable
    assert (await house.call(endpoint="alice", number="1000")).texts[0] == MAIN


async def test_an_owner_needs_no_pin_for_it(house: House) -> None:
    _, phone = await first_use(house)
    assert phone.texts[0] == WELCOME


async def test_from_elsewhere_the_pin_comes_first(house: House) -> None:
    await house.box("1000", owner=house.alice, pin="0000", is_setup=False)
    phone = await house.call([Press("0000#", during="enter your pin"), *PIN], number="1000")
    assert phone.texts[:3] == ["Please enter your pin, then press pound.", WELCOME, NEW]


async def test_new_messages_are_heard_after_it(house: House) -> None:
    box = await house.box("1000", owner=house.alice, pin=None, is_setup=False)
    message = await house.message(box)
    phone = await house.call([*PIN, Speak(3000), review("1")], endpoint="alice", number="1000")
    after = phone.texts[phone.texts.index(READY) :]
    assert after[1:4] == ["You have one new message", "Message one", f"(message {message.id})"]


async def test_without_a_pin_it_is_not_set_up(house: House) -> None:
    box, phone = await first_use(house, *[Press("1111#", during=NEW)] * 3)
    assert phone.texts[-1] == "Your pin was not changed. Goodbye."
    assert phone.status == "DONE"
    assert not box.settings.is_setup


async def test_hung_up_after_the_pin_the_pin_holds_and_it_begins_anew(house: House) -> None:
    box, _ = await first_use(house, *PIN, HangUp(during=NOW_RECORD))
    assert await has_pin(house, box)
    assert not box.settings.is_setup
    assert (await house.call(endpoint="alice", number="1000")).texts[0] == WELCOME


async def test_hung_up_while_recording_the_next_time_offers_it_where_it_belongs(house: House) -> None:
    box, _ = await first_use(house, *PIN, Speak(3000, then="hang-up"))
    assert box.settings.media.unavailable is None
    phone = await house.call([*PIN, review("1")], endpoint="alice", number="1000")
    assert phone.texts[4:6] == [NOW_RECORD, "The greeting that you recorded on an earlier call is not in use yet."]
    changed = await house.app.boxes.get(box.id)
    assert changed.settings.media.unavailable
    assert changed.settings.is_setup


async def test_who_wants_no_greeting_of_their_own_is_ready_all_the_same(house: House) -> None:
    box, phone = await first_use(house, *PIN, Speak(3000), review("7"), Press("#", during=MAIN))
    assert phone.texts[-4:] == ["The recording was not kept.", READY, MAIN, "Goodbye."]
    assert box.settings.is_setup


async def test_nobody_is_thrown_out_for_not_deciding(house: House) -> None:
    box, phone = await first_use(house, *PIN, Speak(3000), *[Silence()] * 4, Press("#", during=MAIN))
    assert phone.texts[-3:] == [LATER, MAIN, "Goodbye."]
    assert not box.settings.is_setup


async def test_too_short_is_asked_for_again(house: House) -> None:
    box, phone = await first_use(house, *PIN, Speak(300), Speak(3000), review("1"))
    assert phone.texts.count("The recording was too short to be kept.") == 1
    assert box.settings.is_setup


async def test_too_short_three_times_it_goes_on_the_next_time(house: House) -> None:
    box, phone = await first_use(house, *PIN, *[Speak(300)] * 3)
    assert phone.texts[phone.texts.index(LATER) + 1] == MAIN
    assert not box.settings.is_setup


async def test_where_the_owner_may_change_nothing_only_the_pin_is_asked_for(house: House) -> None:
    box, phone = await first_use(house, *PIN, Press("#", during=MAIN), not_configurable=True)
    assert phone.texts == [WELCOME, NEW, AGAIN, SET, "Your mailbox is ready.", MAIN, "Goodbye."]
    assert box.settings.is_setup


@pytest.mark.parametrize("announcement_only", [True, False])
async def test_it_leads_to_the_main_menu(house: House, announcement_only: bool) -> None:
    _, phone = await first_use(house, *PIN, Speak(3000), review("1"), announcement_only=announcement_only)
    assert phone.texts[phone.texts.index(READY) + 1] == MAIN
