"""The main menu."""

from __future__ import annotations

import pytest

from ivr.call.scripted import Press, Silence
from tests.support.house import House

GOODBYE = "Goodbye."
NONE = "You have no messages."


async def test_nothing_is_offered_that_leads_nowhere(house: House) -> None:
    await house.box(owner=house.alice)
    phone = await house.call(endpoint="alice", number="1000")
    assert phone.texts[1] == "To change your settings, press five. To leave your mailbox, press pound."


async def test_everything_that_is_there_is_offered_in_the_order_of_its_keys(house: House) -> None:
    box = await house.box(owner=house.alice, new_messages_at_once=False)
    for folder in ("new", "saved", "deleted"):
        await house.message(box, folder=folder)
    phone = await house.call(endpoint="alice", number="1000")
    assert phone.texts[:2] == [
        "You have one new message and one saved message",
        "To hear your new messages, press one. To hear your saved messages, press two."
        " To hear your deleted messages, press three. To change your settings, press five."
        " To leave your mailbox, press pound.",
    ]


async def test_urgent_messages_are_announced_and_played_first(house: House) -> None:
    box = await house.box(owner=house.alice)
    plain = await house.message(box, age_s=60)
    urgent = [await house.message(box, age_s=age_s, urgent=True) for age_s in (3600, 7200)]
    phone = await house.call([Press("6", during="(message")] * 2, endpoint="alice", number="1000")
    assert phone.texts[0] == "You have two urgent messages and one new message"
    heard = [text for text in phone.texts if "message" in text.lower() and "To " not in text][1:7]
    assert heard == [
        "Urgent message one", f"(message {urgent[0].id})", "Urgent message two", f"(message {urgent[1].id})",
        "Message three", f"(message {plain.id})",
    ]  # fmt: skip


async def test_an_urgent_message_that_was_saved_is_a_saved_message(house: House) -> None:
    box = await house.box(owner=house.alice)
    await house.message(box, folder="saved", urgent=True)
    assert (await house.call(endpoint="alice", number="1000")).texts[0] == "You have one saved message"


@pytest.mark.parametrize(("key", "folder"), [("1", "new"), ("2", "saved"), ("3", "deleted")])
async def test_one_two_and_three_open_the_folders(house: House, key: str, folder: str) -> None:
    box = await house.box(owner=house.alice, new_messages_at_once=False)
    messages = {name: await house.message(box, folder=name) for name in ("new", "saved", "deleted")}
    phone = await house.call([Press(key)], endpoint="alice", number="1000")
    assert f"(message {messages[folder].id})" in phone.texts
    others = {f"(message {message.id})" for name, message in messages.items() if name != folder}
    assert not others & set(phone.texts)


@pytest.mark.parametrize("key", "123")
async def test_an_empty_folder_leads_back_here(house: House, key: str) -> None:
    await house.box(owner=house.alice)
    phone = await house.call([Press(key), Press("#")], endpoint="alice", number="1000")
    assert phone.texts == [NONE, NONE, GOODBYE]


async def test_a_box_that_is_not_configurable_offers_no_settings(house: House) -> None:
    await house.box(owner=house.alice, not_configurable=True)
    phone = await house.call([Press("5", after_ms=1500)], endpoint="alice", number="1000")
    assert phone.texts[:3] == [NONE, "To leave your mailbox, press pound.", "That entry is not valid."]


async def test_pound_leaves(house: House) -> None:
    await house.box(owner=house.alice)
    phone = await house.call([Press("#")], endpoint="alice", number="1000")
    assert phone.texts == [NONE, GOODBYE]
    assert phone.status == "DONE"


async def test_four_silent_rounds_end_the_call(house: House) -> None:
    await house.box(owner=house.alice)
    phone = await house.call([Silence()] * 4, endpoint="alice", number="1000")
    assert phone.texts.count(NONE) == 4
    assert phone.texts[-1] == GOODBYE


async def test_a_key_without_a_meaning_repeats_the_menu(house: House) -> None:
    await house.box(owner=house.alice)
    phone = await house.call([Press("9"), Press("#", during=NONE)], endpoint="alice", number="1000")
    assert phone.texts == [NONE, "That entry is not valid.", NONE, GOODBYE]


async def test_hearing_a_folder_begins_the_rounds_anew(house: House) -> None:
    await house.box(owner=house.alice)
    script = [Silence()] * 3 + [Press("1")] + [Silence()] * 4
    phone = await house.call(script, endpoint="alice", number="1000")
    assert phone.texts.count(NONE) == 3 + 1 + 4


async def test_new_messages_start_at_once_for_an_owner_on_their_own_phone(house: House) -> None:
    box = await house.box(owner=house.alice)
    message = await house.message(box)
    phone = await house.call(endpoint="alice", number="1000")
    assert phone.texts[:3] == ["You have one new message", "Message one", f"(message {message.id})"]


async def test_not_for_somebody_who_came_in_with_the_pin(house: House) -> None:
    box = await house.box(owner=house.alice)
    await house.message(box)
    phone = await house.call([Press("1379#")], number="1000")
    assert phone.texts[2].startswith("To hear your new messages, press one.")


async def test_not_where_the_box_does_not_want_it(house: House) -> None:
    box = await house.box(owner=house.alice, new_messages_at_once=False)
    await house.message(box)
    phone = await house.call(endpoint="alice", number="1000")
    assert phone.texts[1].startswith("To hear your new messages, press one.")


async def test_only_once_a_call(house: House) -> None:
    box = await house.box(owner=house.alice)
    await house.message(box)
    phone = await house.call([Press("0", during="(message")], endpoint="alice", number="1000")
    assert phone.texts.count("Message one") == 1


@pytest.mark.parametrize("moment", ["You have one new", "Message one"])
async def test_keys_before_the_first_audio_belong_to_the_main_menu(house: House, moment: str) -> None:
    """Who presses 2 for the saved ones while the count is still being said gets them, and deletes nothing."""
    box = await house.box(owner=house.alice)
    new = await house.message(box)
    saved = await house.message(box, folder="saved")
    phone = await house.call([Press("2", during=moment)], endpoint="alice", number="1000")
    assert f"(message {saved.id})" in phone.texts
    assert f"(message {new.id})" not in phone.texts


async def test_a_seven_before_the_first_audio_deletes_nothing(house: House) -> None:
    box = await house.box(owner=house.alice)
    message = await house.message(box)
    await house.call([Press("7", during="Message one")], endpoint="alice", number="1000")
    assert await house.folder_of(message) == "new"


async def test_all_typed_in_one_go_signs_in_plays_and_deletes(house: House) -> None:
    box = await house.box(owner=house.alice)
    message = await house.message(box)
    phone = await house.call([Press("1379#17#")], number="1000")
    assert await house.folder_of(message) == "deleted"
    assert phone.status == "DONE"


async def test_a_message_that_passed_retention_is_not_counted(house: House) -> None:
    box = await house.box(owner=house.alice)
    await house.message(box, age_s=93 * 86400 + 3601)
    assert (await house.call(endpoint="alice", number="1000")).texts[0] == NONE


async def test_one_within_retention_is(house: House) -> None:
    box = await house.box(owner=house.alice)
    await house.message(box, age_s=93 * 86400 + 3500)
    assert (await house.call(endpoint="alice", number="1000")).texts[0] == "You have one new message"
