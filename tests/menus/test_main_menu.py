"""The main menu."""

from __future__ import annotations

import pytest

from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, Silence

GOODBYE = "Goodbye."
NONE = "You have no messages."


async def test_main_menu_offers_only_available_choices(app: AppFixture) -> None:
    await app.create_box(owner=app.alice)
    phone = await app.run_call(endpoint="alice", number="1000")
    assert (
        phone.texts[1]
        == "To send a message, press four. To change your settings, press five. To leave your mailbox, press pound."
    )


async def test_main_menu_offers_choices_in_key_order(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False)
    for folder in ("new", "saved", "deleted"):
        await app.create_message(box, folder=folder)
    phone = await app.run_call(endpoint="alice", number="1000")
    assert phone.texts[:2] == [
        "You have one new message and one saved message",
        "To hear your new messages, press one. To hear your saved messages, press two."
        " To hear your deleted messages, press three. To send a message, press four."
        " To change your settings, press five. To leave your mailbox, press pound.",
    ]


async def test_urgent_messages_are_announced_and_played_first(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    plain = await app.create_message(box, age_s=60)
    urgent = [await app.create_message(box, age_s=age_s, urgent=True) for age_s in (3600, 7200)]
    phone = await app.run_call([Press("6", during="(message")] * 2, endpoint="alice", number="1000")
    assert phone.texts[0] == "You have two urgent messages and one new message"
    heard = [text for text in phone.texts if "message" in text.lower() and "To " not in text][1:7]
    assert heard == [
        "Urgent message one", f"(message {urgent[0].id})", "Urgent message two", f"(message {urgent[1].id})",
        "Message three", f"(message {plain.id})",
    ]  # fmt: skip


async def test_saved_urgent_message_counts_as_saved(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    await app.create_message(box, folder="saved", urgent=True)
    assert (await app.run_call(endpoint="alice", number="1000")).texts[0] == "You have one saved message"


@pytest.mark.parametrize(("key", "folder"), [("1", "new"), ("2", "saved"), ("3", "deleted")])
async def test_keys_1_2_3_open_folders(app: AppFixture, key: str, folder: str) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False)
    messages = {name: await app.create_message(box, folder=name) for name in ("new", "saved", "deleted")}
    phone = await app.run_call([Press(key)], endpoint="alice", number="1000")
    assert f"(message {messages[folder].id})" in phone.texts
    others = {f"(message {message.id})" for name, message in messages.items() if name != folder}
    assert not others & set(phone.texts)


@pytest.mark.parametrize("key", "123")
async def test_empty_folder_returns_to_main_menu(app: AppFixture, key: str) -> None:
    await app.create_box(owner=app.alice)
    phone = await app.run_call([Press(key), Press("#")], endpoint="alice", number="1000")
    assert phone.texts == [NONE, NONE, GOODBYE]


async def test_unconfigurable_box_offers_no_settings(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, not_configurable=True)
    phone = await app.run_call([Press("5", after_ms=1500)], endpoint="alice", number="1000")
    assert phone.texts[:3] == [
        NONE,
        "To send a message, press four. To leave your mailbox, press pound.",
        "That entry is not valid.",
    ]


async def test_pound_leaves_main_menu(app: AppFixture) -> None:
    await app.create_box(owner=app.alice)
    phone = await app.run_call([Press("#")], endpoint="alice", number="1000")
    assert phone.texts == [NONE, GOODBYE]
    assert phone.status == "DONE"


async def test_four_silent_rounds_end_call(app: AppFixture) -> None:
    await app.create_box(owner=app.alice)
    phone = await app.run_call([Silence()] * 4, endpoint="alice", number="1000")
    assert phone.texts.count(NONE) == 4
    assert phone.texts[-1] == GOODBYE


async def test_invalid_key_repeats_menu(app: AppFixture) -> None:
    await app.create_box(owner=app.alice)
    phone = await app.run_call([Press("9"), Press("#", during=NONE)], endpoint="alice", number="1000")
    assert phone.texts == [NONE, "That entry is not valid.", NONE, GOODBYE]


async def test_opening_folder_resets_menu_rounds(app: AppFixture) -> None:
    await app.create_box(owner=app.alice)
    script = [Silence()] * 3 + [Press("1")] + [Silence()] * 4
    phone = await app.run_call(script, endpoint="alice", number="1000")
    assert phone.texts.count(NONE) == 3 + 1 + 4


async def test_new_messages_autoplay_on_own_phone(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    message = await app.create_message(box)
    phone = await app.run_call(endpoint="alice", number="1000")
    assert phone.texts[:3] == ["You have one new message", "Message one", f"(message {message.id})"]


async def test_autoplay_is_not_used_after_pin_login(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    await app.create_message(box)
    phone = await app.run_call([Press("1379#")], number="1000")
    assert phone.texts[2].startswith("To hear your new messages, press one.")


async def test_autoplay_can_be_disabled_by_box(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False)
    await app.create_message(box)
    phone = await app.run_call(endpoint="alice", number="1000")
    assert phone.texts[1].startswith("To hear your new messages, press one.")


async def test_autoplay_happens_once_per_call(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    await app.create_message(box)
    phone = await app.run_call([Press("0", during="(message")], endpoint="alice", number="1000")
    assert phone.texts.count("Message one") == 1


@pytest.mark.parametrize("moment", ["You have one new", "Message one"])
async def test_keys_before_first_audio_belong_to_main_menu(app: AppFixture, moment: str) -> None:
    """An owner who presses 2 during the counts hears the saved messages, and deletes nothing."""
    box = await app.create_box(owner=app.alice)
    new = await app.create_message(box)
    saved = await app.create_message(box, folder="saved")
    phone = await app.run_call([Press("2", during=moment)], endpoint="alice", number="1000")
    assert f"(message {saved.id})" in phone.texts
    assert f"(message {new.id})" not in phone.texts


async def test_key_7_during_counts_deletes_nothing(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    message = await app.create_message(box)
    await app.run_call([Press("7", during="You have one new")], endpoint="alice", number="1000")
    assert await app.folder_of(message) == "new"


@pytest.mark.parametrize("placement", ["play_after", "play_before"])
async def test_keys_after_counts_belong_to_announced_message(app: AppFixture, placement: str) -> None:
    box = await app.create_box(owner=app.alice, play_envelope_action=placement)
    message = await app.create_message(box)
    moment = "Received" if placement == "play_before" else "Message one"
    phone = await app.run_call([Press("7", during=moment, after_ms=400)], endpoint="alice", number="1000")
    assert await app.folder_of(message) == "deleted"
    assert "That entry is not valid." not in phone.texts


async def test_key_1_after_counts_plays_new_messages_and_saves_none(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    message = await app.create_message(box)
    phone = await app.run_call(
        [Press("1", during="Message one", after_ms=400), HangUp(during="(message")], endpoint="alice", number="1000"
    )
    assert f"(message {message.id})" in phone.texts
    assert await app.folder_of(message) == "new"


async def test_keys_typed_at_once_log_in_play_and_delete(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    message = await app.create_message(box)
    phone = await app.run_call([Press("1379#17#")], number="1000")
    assert await app.folder_of(message) == "deleted"
    assert phone.status == "DONE"


async def test_message_past_retention_is_not_counted(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    await app.create_message(box, age_s=93 * 86400 + 3601)
    assert (await app.run_call(endpoint="alice", number="1000")).texts[0] == NONE


async def test_message_within_retention_is_counted(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    await app.create_message(box, age_s=93 * 86400 + 3500)
    assert (await app.run_call(endpoint="alice", number="1000")).texts[0] == "You have one new message"
