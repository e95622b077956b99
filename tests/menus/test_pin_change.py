"""Changing the PIN: entered twice, weak PINs, three tries, digits in no journal."""

from __future__ import annotations

import pytest

from ivr.mailbox.mailbox import Mailbox
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall, ScriptStep, Silence

NEW = "Please enter your new pin, then press pound. A pin has four to six digits. To cancel, press star."
AGAIN = "Please enter it again, then press pound."
PIN_SET = "Your new pin has been saved."
NOT_CHANGED = "Your pin was not changed."
MENU = "To record your greeting"
MAIN = "You have no messages."


def enter_new_pin(digits: str) -> Press:
    return Press(digits, during=NEW)


def repeat_pin(digits: str) -> Press:
    return Press(digits, during=AGAIN)


async def change_pin(app: AppFixture, *script: ScriptStep) -> ScriptedCall:
    """Alice presses 3 in the settings of mailbox 1000. The prompts from there on are at [2:]."""
    begin = [Press("5", during=MAIN), Press("3", during=MENU)]
    return await app.run_call([*begin, *script], endpoint="alice", number="1000")


async def pin_opens(app: AppFixture, pin: str) -> bool:
    phone = await app.run_call([Press(f"{pin}#"), HangUp(during="not correct")], number="1000")
    return MAIN in phone.texts


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", owner=app.alice, pin="1379")


async def test_pin_entered_twice_opens_box(app: AppFixture, box: Mailbox) -> None:
    phone = await change_pin(app, enter_new_pin("2849#"), repeat_pin("2849#"), Press("0", during=MENU))
    assert phone.texts[2:5] == [NEW, AGAIN, PIN_SET]
    assert phone.texts[5].startswith(MENU)
    assert await pin_opens(app, "2849")
    assert not await pin_opens(app, "1379")


@pytest.mark.parametrize(
    ("pin", "why"),
    [
        ("246#", "A pin has four to six digits."),
        ("#", "A pin has four to six digits."),
        ("7777#", "A pin cannot be one digit repeated."),
        ("3456#", "A pin cannot be digits in a row."),
        ("987654", "A pin cannot be digits in a row."),
        ("1000#", "A pin cannot be your mailbox number."),
    ],
)
async def test_weak_pin_is_rejected_with_reason(app: AppFixture, box: Mailbox, pin: str, why: str) -> None:
    phone = await change_pin(app, enter_new_pin(pin), enter_new_pin("2849#"), repeat_pin("2849#"))
    assert phone.texts[2:7] == [NEW, why, NEW, AGAIN, PIN_SET]
    assert await pin_opens(app, "2849")


async def test_differing_pins_are_rejected(app: AppFixture, box: Mailbox) -> None:
    phone = await change_pin(
        app, enter_new_pin("2849#"), repeat_pin("2847#"), enter_new_pin("2849#"), repeat_pin("2849#")
    )
    assert phone.texts[2:6] == [NEW, AGAIN, "The two entries are not the same.", NEW]
    assert await pin_opens(app, "2849")


async def test_three_failed_pin_changes_keep_old_pin(app: AppFixture, box: Mailbox) -> None:
    phone = await change_pin(
        app, enter_new_pin("7777#"), enter_new_pin("2849#"), repeat_pin("1#"), Silence(), Press("0", during=MENU)
    )
    assert phone.texts[8:11] == ["A pin has four to six digits.", NOT_CHANGED, phone.texts[1]]
    assert await pin_opens(app, "1379")


@pytest.mark.parametrize("pin", ["2849", "284913"])
async def test_pin_of_four_to_six_digits_is_accepted_typed_ahead(app: AppFixture, box: Mailbox, pin: str) -> None:
    phone = await change_pin(app, Press(f"{pin}#{pin}#0#", during=NEW))
    assert phone.texts[2:] == [NEW, "Goodbye."]
    assert await pin_opens(app, pin)


async def test_rejected_pin_flushes_typeahead(app: AppFixture, box: Mailbox) -> None:
    phone = await change_pin(app, enter_new_pin("7777#7777#6"))
    assert "Your mailbox now plays its greeting and takes no messages." not in phone.texts


async def test_hangup_before_confirmation_keeps_old_pin(app: AppFixture, box: Mailbox) -> None:
    await change_pin(app, enter_new_pin("2849#"), HangUp(during=AGAIN))
    assert await pin_opens(app, "1379")


async def test_pin_digits_are_never_journaled(app: AppFixture, box: Mailbox) -> None:
    phone = await change_pin(
        app, enter_new_pin("7777#"), enter_new_pin("2849#"), repeat_pin("2847#"), enter_new_pin("2849#2849#")
    )
    noted = [str(step.details.get("key")) for step in phone.journal.entries if step.event == "key"]
    assert noted == ["5", "3", *["•"] * 25]
    assert "2849" not in str(phone.journal.entries)


async def test_pin_is_stored_where_box_says(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice, pin="1379", pin_secret_ref="kv:vm:7:pin")
    await change_pin(app, enter_new_pin("2849#"), repeat_pin("2849#"))
    assert await app.container.secret_store.verify(app.account.id, "kv:vm:7:pin", "2849")
    assert await pin_opens(app, "2849")


MUST_CHANGE = "Your pin has to be changed."
IN_USE = "That is your present pin."


async def test_pin_that_must_change_is_asked_for_at_the_next_sign_in(app: AppFixture, box: Mailbox) -> None:
    await app.container.boxes.patch(box, {"pin_must_change": True})
    await app.create_message(box)
    script: list[ScriptStep] = [
        enter_new_pin("1379#"),
        enter_new_pin("2849#"),
        repeat_pin("2849#"),
        HangUp(during="one new message"),
    ]
    phone = await app.run_call(script, endpoint="alice", number="1000")
    assert phone.texts[:6] == [MUST_CHANGE, NEW, IN_USE, NEW, AGAIN, PIN_SET]
    assert "You have one new message" in phone.texts
    phone = await app.run_call([Press("2849#"), HangUp(during="one new message")], number="1000")
    assert MUST_CHANGE not in phone.texts
    assert "You have one new message" in phone.texts
    assert not (await app.container.boxes.get(box.id)).settings.pin_must_change


@pytest.mark.parametrize("give_up", [HangUp(during=NEW), Silence()], ids=["hang-up", "silence"])
async def test_owner_who_keeps_a_pin_that_must_change_hears_no_messages(
    app: AppFixture, box: Mailbox, give_up: ScriptStep
) -> None:
    await app.container.boxes.patch(box, {"pin_must_change": True, "not_configurable": True})
    message = await app.create_message(box)
    script: list[ScriptStep] = [Press("1379#"), give_up]
    phone = await app.run_call(script, number="1000")
    assert MUST_CHANGE in phone.texts
    assert not any(message.id in text or "message" in text for text in phone.texts)
    assert (await app.container.boxes.get(box.id)).settings.pin_must_change, "the next call asks again"


async def test_pin_changed_in_the_settings_or_wizard_need_not_be_changed_again(app: AppFixture, box: Mailbox) -> None:
    await app.container.boxes.patch(box, {"pin_must_change": True, "is_setup": False})
    script: list[ScriptStep] = [enter_new_pin("2849#"), repeat_pin("2849#"), HangUp(during="record")]
    phone = await app.run_call(script, endpoint="alice", number="1000")
    assert MUST_CHANGE not in phone.texts
    assert not (await app.container.boxes.get(box.id)).settings.pin_must_change
