"""Entries of digits: what is too long is wrong, `*` leaves, and no digit of an entry reaches the menu behind it.

Keys that come twice although they were meant once are tested here too.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.mailbox.mailbox import Mailbox
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall, ScriptStep, Silence

ENTER_BOX = "Please enter your mailbox number, then press pound."
ENTER_PIN = "Please enter your pin, then press pound."
ENTER_PIN_OR_STAR = f"{ENTER_PIN} For another mailbox, press star."
FORWARD_TO = "Please enter the mailbox number to forward to"
WRONG = "That is not correct."
COUNT = "You have one new message"
PIN = "258099"


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    """A mailbox of Alice with a PIN of the greatest length and without autoplay."""
    return await app.create_box(owner=app.alice, pin=PIN, new_messages_at_once=False)


def was_announced(phone: ScriptedCall, prompt: str) -> bool:
    return any(text.startswith(prompt) for text in phone.texts)


# -- digits behind an entry ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surplus", ["1", "17", "7", "1" * 40])
async def test_digits_behind_pin_make_it_wrong_and_delete_nothing(app: AppFixture, box: Mailbox, surplus: str) -> None:
    message = await app.create_message(box)
    phone = await app.run_call([Press(f"{PIN}{surplus}#")], number="1000")
    assert phone.texts[:2] == [ENTER_PIN, WRONG]
    assert not was_announced(phone, COUNT)
    assert await app.folder_of(message) == "new"


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(surplus=st.text("0123456789", min_size=1, max_size=12))
async def test_no_digits_behind_pin_open_mailbox(app: AppFixture, surplus: str) -> None:
    if not await app.container.boxes.find_by_number(app.account.id, "1000"):
        await app.create_box(owner=app.alice, pin=PIN)
    phone = await app.run_call([Press(f"{PIN}{surplus}#"), HangUp(during=WRONG)], number="1000", caller=f"5{surplus}")
    assert phone.texts == [ENTER_PIN, WRONG]


async def test_pound_behind_pound_of_pin_does_not_leave_mailbox(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, pin="4716")
    phone = await app.run_call([Press("4716##"), Silence(), HangUp(during="To leave")], number="1000")
    assert "Goodbye." not in phone.texts
    assert phone.texts.count("You have no messages.") == 2


async def test_new_pin_that_is_too_long_is_rejected_with_both_limits(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice, pin="1379")
    keys: list[ScriptStep] = [
        Press("5", during="You have"),
        Press("3", during="For the main"),
        Press("14725836#", during="new pin"),
    ]
    phone = await app.run_call([*keys, HangUp(during="A pin has four to six digits.", after_ms=900)],
                               endpoint="alice", number="1000")  # fmt: skip
    assert phone.texts[3] == "A pin has four to six digits."


async def test_pin_length_prompt_names_limits_of_account(app: AppFixture) -> None:
    await app.container.directory.update_account(app.account.model_copy(update={"settings": {"max_pin_length": 4}}))
    await app.create_box("1000", owner=app.alice, pin="1379")
    keys: list[ScriptStep] = [
        Press("5", during="You have"),
        Press("3", during="For the main"),
        HangUp(during="new pin"),
    ]
    phone = await app.run_call(keys, endpoint="alice", number="1000")
    assert "A pin has four digits." in phone.texts[-1]


async def test_repeated_digits_of_an_extension_are_dialled(app: AppFixture) -> None:
    hunting = await AppFixture(app.settings.data.folder.parent / "hunt", voicemail={"hunt_context": "phones"}).open()
    await hunting.create_box()
    for during in (None, "The person"):
        phone = await hunting.run_call([Press("110#", during=during)], path="leave", number="1000",
                                       extensions=[("phones", "110"), ("phones", "1")])  # fmt: skip
        assert phone.continue_target == ("phones", "110")
    hunting.close()


async def test_extension_that_is_too_long_is_no_extension(app: AppFixture) -> None:
    hunting = await AppFixture(app.settings.data.folder.parent / "hunt", voicemail={"hunt_context": "phones"}).open()
    await hunting.create_box()
    extensions = [("phones", "1" * 20), ("phones", "1")]
    phone = await hunting.run_call([Press("1" * 21 + "#"), HangUp(during="no such extension")],
                                   path="leave", number="1000", extensions=extensions)  # fmt: skip
    assert was_announced(phone, "I am sorry, there is no such extension.")
    assert phone.continue_target is None
    hunting.close()


# -- leaving an entry ------------------------------------------------------------------------------------------------


async def test_mistyped_mailbox_number_is_asked_again_after_wrong_pin(app: AppFixture, box: Mailbox) -> None:
    await app.create_box("1001", owner=app.bob, pin="9573")
    keys = [Press("1001#", during=ENTER_BOX), Press(f"{PIN}#", during=ENTER_PIN)]
    right = [Press("1000#", during=ENTER_BOX), Press(f"{PIN}#", during=ENTER_PIN)]
    phone = await app.run_call([*keys, *right])
    assert phone.texts[:5] == [ENTER_BOX, ENTER_PIN_OR_STAR, WRONG, ENTER_BOX, ENTER_PIN_OR_STAR]
    assert phone.texts[5] == "You have no messages."


@pytest.mark.parametrize("entry", ["*", "25*"])
async def test_star_at_pin_prompt_leads_back_to_mailbox_number(app: AppFixture, box: Mailbox, entry: str) -> None:
    keys = [Press("1001#", during=ENTER_BOX), Press(entry, during=ENTER_PIN)]
    phone = await app.run_call([*keys, Press("1000#", during=ENTER_BOX), Press(f"{PIN}#", during=ENTER_PIN)])
    assert phone.texts[:4] == [ENTER_BOX, ENTER_PIN_OR_STAR, ENTER_BOX, ENTER_PIN_OR_STAR]
    assert phone.texts[4] == "You have no messages."


async def test_star_at_mailbox_number_ends_call(app: AppFixture) -> None:
    phone = await app.run_call([Press("*")])
    assert phone.texts == [ENTER_BOX, "Goodbye."]
    assert phone.status == "DONE"


async def test_caller_who_leaves_sign_in_hears_greeting_again(app: AppFixture) -> None:
    await app.create_box()
    keys = [Press("*", during="The person"), Press("*", during=ENTER_PIN, after_ms=400)]
    phone = await app.run_call([*keys, HangUp(during="Please leave")], path="leave", number="1000")
    assert [text.split(" at ")[0] for text in phone.texts] == ["The person", ENTER_PIN, "The person", phone.texts[-1]]


@pytest.mark.parametrize("entry", ["*", "#", "10*"])
async def test_forwarding_is_left_by_star_and_by_empty_entry(app: AppFixture, box: Mailbox, entry: str) -> None:
    bobs = await app.create_box("1001", owner=app.bob)
    message = await app.create_message(box)
    keys = [Press("1", during="To hear"), Press("3", during="(message"), Press(entry, during=FORWARD_TO)]
    phone = await app.run_call([*keys, HangUp(during="To save")], endpoint="alice", number="1000")
    assert phone.texts[-2] == "The message was not forwarded."
    assert await app.folder_of(message) == "new"
    assert await app.messages(bobs) == []


@pytest.mark.parametrize("entry", ["*", "9*", "#"])
async def test_entry_of_a_further_mailbox_is_left_and_forwarding_is_cancelled_too(
    app: AppFixture, box: Mailbox, entry: str
) -> None:
    """Nothing was said then, and the message went two seconds later."""
    bobs = await app.create_box("1001", owner=app.bob)
    await app.create_message(box)
    keys: list[ScriptStep] = [
        Press("1", during="To hear"),
        Press("3", during="(message"),
        Press("1001#", during=FORWARD_TO),
        Press("3", during="To add another"),
        Press(entry, during="next mailbox"),
        Press("*", during="To add another", after_ms=400),  # Sooner it would be the same key once more.
    ]
    phone = await app.run_call([*keys, HangUp(during="To save")], endpoint="alice", number="1000")
    assert phone.texts[-2] == "The message was not forwarded."
    assert await app.messages(bobs) == []


@pytest.mark.parametrize("prompt", ["new pin", "enter it again"])
async def test_pin_change_is_left_by_star(app: AppFixture, box: Mailbox, prompt: str) -> None:
    keys: list[ScriptStep] = [Press("5", during="You have"), Press("3", during="For the main")]
    entries: list[ScriptStep] = [] if prompt == "new pin" else [Press("2849#", during="new pin")]
    phone = await app.run_call([*keys, *entries, Press("*", during=prompt), HangUp(during="To record your greeting")],
                               endpoint="alice", number="1000")  # fmt: skip
    assert phone.texts[-2] == "Your pin was not changed."


# -- silence and pauses ----------------------------------------------------------------------------------------------


async def test_silence_and_short_entries_never_lock_mailbox(app: AppFixture, box: Mailbox) -> None:
    for _ in range(12):
        await app.run_call([Silence(), Press("25", during=ENTER_PIN), Silence(), Silence()], number="1000")
    for caller in ("5550100", "5550199"):  # A lock by guesses holds for the phone that made them, or for all.
        phone = await app.run_call([Press(f"{PIN}#")], number="1000", caller=caller)
        assert phone.texts[1] == "You have no messages."


# -- keys that come twice --------------------------------------------------------------------------------------------


async def delete_twice(app: AppFixture, box: Mailbox, second_press: ScriptStep) -> tuple[ScriptedCall, list[str]]:
    first, second = await app.create_message(box, age_s=60), await app.create_message(box, age_s=7200)
    keys: list[ScriptStep] = [Press("1", during="To hear"), Press("7", during="(message"), second_press]
    phone = await app.run_call([*keys, HangUp(during=f"(message {second.id}")], endpoint="alice", number="1000")
    return phone, [await app.folder_of(message) for message in (first, second)]


@pytest.mark.parametrize("after_ms", [0, 140, 290])
async def test_second_7_within_300_ms_of_deleted_is_not_for_next_message(
    app: AppFixture, box: Mailbox, after_ms: int
) -> None:
    await app.create_message(box, age_s=9000)  # "Deleted." has to be long enough for each press.
    phone, folders = await delete_twice(app, box, Press("7", during="Deleted.", after_ms=after_ms))
    assert folders == ["deleted", "new"]
    assert phone.texts.count("Deleted.") == 1


async def test_7_typed_twice_at_once_deletes_one_message(app: AppFixture, box: Mailbox) -> None:
    first, second = await app.create_message(box, age_s=60), await app.create_message(box, age_s=7200)
    keys: list[ScriptStep] = [
        Press("1", during="To hear"),
        Press("77", during="(message"),
        HangUp(during=f"(message {second.id}"),
    ]
    await app.run_call(keys, endpoint="alice", number="1000")
    assert [await app.folder_of(message) for message in (first, second)] == ["deleted", "new"]


async def test_7_after_300_ms_deletes_next_message(app: AppFixture, box: Mailbox) -> None:
    _, folders = await delete_twice(app, box, Press("7", during="Message two", after_ms=310))
    assert folders == ["deleted", "deleted"]


async def test_other_key_during_deleted_is_for_next_message(app: AppFixture, box: Mailbox) -> None:
    _, folders = await delete_twice(app, box, Press("1", during="Deleted.", after_ms=100))
    assert folders == ["deleted", "saved"]


async def test_1_pressed_twice_in_main_menu_saves_no_message(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    phone = await app.run_call([Press("11", during="To hear"), HangUp(during="(message")],
                               endpoint="alice", number="1000")  # fmt: skip
    assert phone.texts[-1] == f"(message {message.id})"
    assert await app.folder_of(message) == "new"


async def test_star_pressed_twice_in_greeting_leads_to_pin(app: AppFixture, box: Mailbox) -> None:
    phone = await app.run_call([Press("**", during="The person"), Press(f"{PIN}#", during=ENTER_PIN)],
                               path="leave", number="1000")  # fmt: skip
    assert phone.texts[1:3] == [ENTER_PIN, "You have no messages."]


async def test_8_pressed_twice_goes_forward_twice(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box, s=60)
    keys = [Press("1", during="To hear"), Press("88", during="(message", after_ms=1000)]
    phone = await app.run_call([*keys, HangUp(after_ms=500)], endpoint="alice", number="1000")
    heard = [(h.from_ms, h.to_ms) for h in phone.heard_sounds if message.id in h.text]
    assert heard[-1] == (21_000, 21_500)


async def test_repeated_digit_in_entry_counts_twice(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, pin="7442")
    phone = await app.run_call([Press("7442#")], number="1000")
    assert phone.texts[1] == "You have no messages."


# -- the last message ------------------------------------------------------------------------------------------------


async def test_key_6_on_last_message_leads_to_its_menu(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    keys: list[ScriptStep] = [Press("1", during="To hear"), Press("6", during="(message"), HangUp(during="To save")]
    phone = await app.run_call(keys, endpoint="alice", number="1000")
    assert phone.texts[-2:] == ["There are no more messages.", phone.texts[-1]]
    assert phone.texts[-1].startswith("To save, press one.")
    assert phone.texts.count(f"(message {message.id})") == 1
