"""The message menu: what is heard of each message, and what every key does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import pytest

from ivr.call.scripted import HangUp, Heard, Meanwhile, Press, ScriptedCall, Silence, Step
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Folder, Message
from ivr.mailbox.store import Because
from tests.support.house import House

MENU = (
    "To save, press one. To replay, press two. To forward, press three. To delete, press seven."
    " For the main menu, press zero."
)
SHORT = "Save, one Replay, two Forward, three Delete, seven Main menu, zero"
RECEIVED = "Received today at eleven a.m."


def audio(message: Message) -> str:
    return f"(message {message.id})"


async def listen(house: House, *script: Step, key: str = "1", hang_up_at: int | None = None) -> ScriptedCall:
    """Alice's phone opens the new messages with 1 (or another folder's key), then follows the script."""
    return await house.call([Press(key), *script], endpoint="alice", number="1000", hang_up_at=hang_up_at)


@pytest.fixture
async def box(house: House) -> Mailbox:
    return await house.box(owner=house.alice, new_messages_at_once=False)


def stretches(phone: ScriptedCall, message: Message) -> list[tuple[int, int]]:
    """Which stretches of a message's audio were heard."""
    return [(heard.from_ms, heard.to_ms) for heard in phone.heard if heard.text == audio(message)]


# -- what is heard -----------------------------------------------------------------------------------------------------


async def test_number_audio_envelope_menu(house: House, box: Mailbox) -> None:
    message = await house.message(box)
    phone = await listen(house, HangUp(during="To save"))
    assert phone.texts[1:] == ["Message one", audio(message), RECEIVED, MENU]


@pytest.mark.parametrize(
    ("settings", "order"),
    [
        ({"play_envelope_action": "play_after"}, ["number", "audio", "envelope"]),
        ({"play_envelope_action": "play_before"}, ["number", "envelope", "audio"]),
        ({"play_envelope_action": "skip"}, ["number", "audio"]),
        ({"skip_envelope": True}, ["number", "audio"]),
        ({"skip_envelope": True, "play_envelope_action": "play_before"}, ["number", "audio"]),
    ],
)
async def test_when_the_envelope_is_heard(house: House, settings: dict[str, Any], order: list[str]) -> None:
    box = await house.box(owner=house.alice, new_messages_at_once=False, **settings)
    message = await house.message(box)
    phone = await listen(house, HangUp(during="To save"))
    names = {"Message one": "number", audio(message): "audio", RECEIVED: "envelope"}
    assert [names[text] for text in phone.texts[1:-1]] == order


async def test_the_other_kind_of_envelope_says_who_called(house: House) -> None:
    box = await house.box(owner=house.alice, new_messages_at_once=False, envelope_type="caller_and_time")
    await house.message(box, caller="2001")
    phone = await listen(house)
    assert "A call from two zero zero one today at eleven a.m." in phone.texts


async def test_times_are_those_of_the_boxes_zone(house: House) -> None:
    box = await house.box(owner=house.alice, new_messages_at_once=False, timezone="Asia/Tokyo")
    await house.message(box)
    assert "Received today at eight p.m." in (await listen(house)).texts


async def test_newest_first_unless_the_box_wants_the_oldest(house: House) -> None:
    newest_first = await house.box("1000", owner=house.alice, new_messages_at_once=False)
    old, new = await house.message(newest_first, age_s=7200), await house.message(newest_first, age_s=3600)
    phone = await listen(house, HangUp(during="(message"))
    assert phone.texts[-1] == audio(new)
    await house.app.boxes.patch(newest_first, {"oldest_message_first": True})
    phone = await listen(house, HangUp(during="(message"))
    assert phone.texts[-1] == audio(old)


async def test_the_spoken_menu_is_short_from_the_second_message_on(house: House, box: Mailbox) -> None:
    await house.message(box)
    await house.message(box, age_s=7200)
    phone = await listen(house, Press("6", during="To save"), HangUp(during="Save,"))
    assert phone.texts[4] == MENU
    assert phone.texts[-1] == SHORT


async def test_the_menu_is_said_from_the_key_map(house: House) -> None:
    await house.box(owner=house.alice, new_messages_at_once=False, keys={"delete": "9", "callback": "7"})
    box = await house.app.boxes.by_number(house.account.id, "1000")
    assert box
    message = await house.message(box)
    phone = await listen(house, Press("9", during="To save"))
    assert "To delete, press nine." in phone.texts[4]
    assert await house.folder_of(message) == "deleted"


async def test_messages_that_come_in_meanwhile_are_heard_next_time(house: House, box: Mailbox) -> None:
    first = await house.message(box)
    arrives = Meanwhile(audio(first), lambda: house.message(box, age_s=9999))
    phone = await listen(house, arrives, Press("6", during="Received"), HangUp(during="There are"))
    assert phone.texts[-1] == "There are no more messages."
    assert (await house.app.messages.counts(box.id)).new == 1, "the one that came in; the heard one was saved"


# -- 1 7 2 4 6 0 -------------------------------------------------------------------------------------------------------


async def test_one_saves_and_goes_on(house: House, box: Mailbox) -> None:
    first, second = await house.message(box, age_s=60), await house.message(box, age_s=7200)
    phone = await listen(house, Press("1", during="(message"), HangUp(during=audio(second)))
    assert await house.folder_of(first) == "saved"
    assert phone.texts[1:] == ["Message one", audio(first), "Saved.", "Message two", audio(second)]


async def test_seven_deletes_and_goes_on(house: House, box: Mailbox) -> None:
    first, second = await house.message(box, age_s=60), await house.message(box, age_s=7200)
    phone = await listen(house, Press("7", during="(message"), HangUp(during=audio(second)))
    assert await house.folder_of(first) == "deleted"
    assert phone.texts[1:] == ["Message one", audio(first), "Deleted.", "Message two", audio(second)]


async def test_behind_the_last_message_is_the_main_menu(house: House, box: Mailbox) -> None:
    await house.message(box)
    phone = await listen(house, Press("7", during="(message"))
    assert phone.texts[3:5] == ["Deleted.", "You have no messages."]


async def test_deleting_twice_brings_it_back(house: House, box: Mailbox) -> None:
    first = await house.message(box, age_s=60)
    await house.message(box, age_s=7200)
    phone = await listen(house, Press("7", during=audio(first)), Press("4"), Press("7", during="deleted"), HangUp())
    assert "Message one deleted" in phone.texts
    assert "Message restored." in phone.texts
    assert await house.folder_of(first) == "new"


async def test_seven_in_the_deleted_folder_restores_to_where_it_came_from(house: House, box: Mailbox) -> None:
    was_saved = await house.message(box, folder="saved", age_s=60)
    was_new = await house.message(box, age_s=7200)
    for message in (was_saved, was_new):
        await house.app.messages.move_to(box.id, message.id, Folder.DELETED, Because.KEY)
    phone = await listen(house, Press("7", during="To save"), Press("7", during="(message"), key="3")
    assert "To restore it, press seven." in phone.texts[4]
    assert await house.folder_of(was_saved) == "saved"
    assert await house.folder_of(was_new) == "new"


async def test_one_in_the_deleted_folder_saves(house: House, box: Mailbox) -> None:
    message = await house.message(box, folder="deleted")
    await listen(house, Press("1", during="(message"), key="3")
    assert await house.folder_of(message) == "saved"


async def test_two_plays_it_again_from_its_number(house: House, box: Mailbox) -> None:
    message = await house.message(box)
    phone = await listen(house, Press("2", during="(message", after_ms=2000), HangUp(during="Received"))
    assert phone.texts[1:5] == ["Message one", audio(message), "Message one", audio(message)]
    assert stretches(phone, message) == [(0, 2000), (0, 5000)]


async def test_four_and_six_go_back_and_on_and_stop_at_the_ends(house: House, box: Mailbox) -> None:
    first, second, third = [await house.message(box, age_s=age_s) for age_s in (60, 3600, 7200)]
    keys: list[Step] = [Press(key, during="(message", after_ms=100) for key in "4666444"]
    phone = await listen(house, *keys, HangUp(during="(message", after_ms=100))
    order = [text for text in phone.texts if text.startswith("(message")]
    assert order == [audio(m) for m in (first, first, second, third, third, second, first, first)]
    assert phone.texts.count("There are no more messages.") == 1
    assert {await house.folder_of(message) for message in (first, second, third)} == {"new"}


async def test_zero_returns_to_the_main_menu(house: House, box: Mailbox) -> None:
    await house.message(box)
    phone = await listen(house, Press("0", during="(message"), HangUp(during="To hear"))
    assert phone.texts[3:] == ["You have one new message", phone.texts[-1]]


# -- what becomes of a message that is only left -----------------------------------------------------------------------

LEAVING: dict[str, list[Step]] = {
    "zero": [Press("0")],
    "hang-up": [HangUp(after_ms=10)],
    "hang-up in the envelope": [],
    "four silent rounds": [Silence()] * 4,
}


@pytest.mark.parametrize("way", LEAVING)
async def test_left_after_it_was_heard_to_its_end_a_new_message_is_saved(house: House, box: Mailbox, way: str) -> None:
    message = await house.message(box)
    heard = Press("#", during="To save", after_ms=500) if LEAVING[way] else HangUp(during="Received", after_ms=100)
    await listen(house, heard, *LEAVING[way])
    assert await house.folder_of(message) == "saved"


@pytest.mark.parametrize("way", ["zero", "hang-up"])
async def test_left_before_its_end_it_stays_new(house: House, box: Mailbox, way: str) -> None:
    message = await house.message(box)
    await listen(house, Press("*", during="(message", after_ms=4900), *LEAVING[way])
    assert await house.folder_of(message) == "new"


async def test_skipping_to_the_end_is_not_hearing_it(house: House, box: Mailbox) -> None:
    message = await house.message(box)
    phone = await listen(house, Press("8", during="(message"), HangUp(during="To save"))
    assert RECEIVED in phone.texts, "what follows the audio went on"
    assert await house.folder_of(message) == "new"


async def test_four_and_six_leave_a_heard_message_new(house: House, box: Mailbox) -> None:
    message = await house.message(box, age_s=60)
    await house.message(box, age_s=7200)
    await listen(house, Press("6", during="To save"), HangUp(during="Message two"))
    assert await house.folder_of(message) == "new"


@pytest.mark.parametrize(("folder", "key"), [("saved", "2"), ("deleted", "3")])
async def test_leaving_changes_nothing_in_the_other_folders(house: House, box: Mailbox, folder: str, key: str) -> None:
    message = await house.message(box, folder=folder)
    await listen(house, HangUp(during="To save"), key=key)
    assert await house.folder_of(message) == folder


async def test_heard_in_an_earlier_round_of_the_same_call_counts(house: House, box: Mailbox) -> None:
    message = await house.message(box, age_s=60)
    await house.message(box, age_s=7200)
    script: list[Step] = [
        Press("6", during="To save"),
        Press("4", during="Message two"),
        Press("0", during="Message one"),
    ]
    await listen(house, *script)
    assert await house.folder_of(message) == "saved"


async def test_a_message_that_another_door_deleted_meanwhile_stays_deleted(house: House, box: Mailbox) -> None:
    message = await house.message(box)
    deleted = Meanwhile(
        RECEIVED, lambda: house.app.messages.move_to(box.id, message.id, Folder.DELETED, Because.REQUEST)
    )
    await listen(house, deleted, HangUp(during="To save"))
    assert await house.folder_of(message) == "deleted"


# -- 5 8 * # -----------------------------------------------------------------------------------------------------------


async def test_five_goes_back_and_eight_goes_on_while_it_plays(house: House, box: Mailbox) -> None:
    message = await house.message(box, s=60)
    keys: list[Step] = [
        Press("8", during="(message", after_ms=3000),
        Press("8", after_ms=2000),
        Press("5", after_ms=1000),
    ]
    phone = await listen(house, *keys, HangUp(after_ms=500))
    assert stretches(phone, message) == [(0, 3000), (13_000, 15_000), (25_000, 26_000), (16_000, 16_500)]


async def test_how_far_is_a_setting_of_the_box(house: House) -> None:
    box = await house.box(owner=house.alice, new_messages_at_once=False, seek_duration_ms=3000)
    message = await house.message(box, s=60)
    keys = [Press("8", during="(message", after_ms=1000), Press("5", after_ms=100)]
    phone = await listen(house, *keys, HangUp(after_ms=100))
    assert stretches(phone, message) == [(0, 1000), (4000, 4100), (1100, 1200)]


async def test_before_the_start_is_the_start(house: House, box: Mailbox) -> None:
    message = await house.message(box, s=60)
    phone = await listen(house, Press("5", during="(message", after_ms=3000), HangUp(after_ms=100))
    assert stretches(phone, message) == [(0, 3000), (0, 100)]


async def test_past_the_end_what_follows_the_audio_goes_on(house: House, box: Mailbox) -> None:
    await house.message(box, s=8)
    phone = await listen(house, Press("8", during="(message", after_ms=3000), HangUp(during="To save"))
    assert phone.texts[3:5] == [RECEIVED, MENU]


async def test_five_after_the_end_plays_the_last_seconds_again(house: House, box: Mailbox) -> None:
    message = await house.message(box, s=60)
    phone = await listen(house, Press("5", during="To save"), HangUp(during="(message", after_ms=100))
    assert stretches(phone, message) == [(0, 60_000), (50_000, 50_100)]


async def test_with_seeking_off_five_says_the_envelope_and_eight_nothing(house: House) -> None:
    box = await house.box(owner=house.alice, new_messages_at_once=False, is_voicemail_ff_rw_enabled=False)
    message = await house.message(box, caller="2001")
    keys: list[Step] = [Press("5", during="(message", after_ms=1000), Press("8", during="(message", after_ms=1000)]
    phone = await listen(house, *keys, HangUp(during="(message", after_ms=100))
    assert "from two zero zero one length five seconds" in phone.texts[3]
    assert "That entry is not valid." in phone.texts
    assert stretches(phone, message) == [(0, 1000), (1000, 2000), (2000, 2100)]


async def test_star_pauses_and_resumes(house: House, box: Mailbox) -> None:
    message = await house.message(box, s=60)
    script: list[Step] = [
        Press("*", during="(message", after_ms=2000),
        Press("*", after_ms=30_000),
        HangUp(after_ms=100),
    ]
    phone = await listen(house, *script)
    assert stretches(phone, message) == [(0, 2000), (2000, 2100)]


async def test_a_pause_ends_by_itself_after_a_minute(house: House, box: Mailbox) -> None:
    message = await house.message(box, s=60)
    began = house.clock.now()
    script: list[Step] = [Press("*", during="(message", after_ms=2000), Silence(), HangUp(after_ms=100)]
    phone = await listen(house, *script)
    assert stretches(phone, message) == [(0, 2000), (2000, 2100)]
    assert house.clock.now() - began > 60


async def test_another_key_ends_a_pause_and_does_what_it_does(house: House, box: Mailbox) -> None:
    message = await house.message(box, s=60)
    await listen(house, Press("*", during="(message", after_ms=2000), Press("7", after_ms=5000))
    assert await house.folder_of(message) == "deleted"


async def test_star_where_nothing_plays_is_ignored(house: House, box: Mailbox) -> None:
    await house.message(box)
    phone = await listen(house, Press("*", during="To save", after_ms=1000), HangUp(during="To save", after_ms=500))
    assert [heard for heard in phone.heard if heard.text == MENU] == [Heard(MENU, 0, 1000), Heard(MENU, 1000, 1500)]


async def test_pound_says_the_envelope_and_goes_back_to_where_it_was(house: House, box: Mailbox) -> None:
    message = await house.message(box, s=60, caller="2001")
    phone = await listen(house, Press("#", during="(message", after_ms=2000), HangUp(during="(message", after_ms=100))
    assert phone.texts[3] == RECEIVED + " from two zero zero one length one minute"
    assert stretches(phone, message) == [(0, 2000), (2000, 2100)]


# -- keys without a meaning, and nobody there --------------------------------------------------------------------------


async def test_three_keys_without_a_meaning_end_the_call(house: House) -> None:
    box = await house.box(owner=house.alice, new_messages_at_once=False, keys={"callback": ""})
    message = await house.message(box)
    phone = await listen(house, *[Press("9", during="(message")] * 3)
    assert phone.texts[-1] == "I am sorry, there were too many entries that are not valid. Goodbye."
    assert phone.hung_up
    assert await house.folder_of(message) == "new"


async def test_a_key_with_a_meaning_begins_that_count_anew(house: House) -> None:
    box = await house.box(owner=house.alice, new_messages_at_once=False, keys={"callback": ""})
    await house.message(box)
    script: list[Step] = [Press(key, during="(message", after_ms=10) for key in "9929929"]
    phone = await listen(house, *script, HangUp(during="Received"))
    assert phone.texts.count("That entry is not valid.") == 5
    assert "too many" not in " ".join(phone.texts)


async def test_four_silent_rounds_say_goodbye(house: House, box: Mailbox) -> None:
    await house.message(box)
    phone = await listen(house, *[Silence()] * 4)
    assert phone.texts[-1] == "Goodbye."
    assert phone.texts.count(MENU) == 4
    assert phone.status == "DONE"


# -- what others do meanwhile ------------------------------------------------------------------------------------------


async def test_a_message_that_vanished_is_passed_over(house: House, box: Mailbox) -> None:
    first, second = await house.message(box, age_s=60), await house.message(box, age_s=7200)
    vanishes = Meanwhile(audio(first), lambda: house.app.messages.remove(box.id, [first.id]))
    phone = await listen(house, vanishes, Press("1", during=audio(first)), HangUp(during=audio(second)))
    assert phone.texts[3:] == ["This message is no longer here.", "Message one", audio(second)]


async def test_a_locked_database_is_told_and_nothing_is_lost(house: House, box: Mailbox) -> None:
    message = await house.message(box)
    other = sqlite3.connect(house.settings.data.folder / "ivr.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def unlock() -> None:
        other.execute("ROLLBACK")
        other.close()

    script: list[Step] = [Press("1", during="(message"), Meanwhile(MENU, unlock), Press("1", during="To save")]
    phone = await listen(house, *script)
    assert phone.texts[3:6] == ["I am sorry, that could not be done. Nothing was lost.", MENU, "Saved."]
    assert await house.folder_of(message) == "saved"


@pytest.mark.parametrize("count", [3])
async def test_a_box_of_many_is_walked_to_its_end(house: House, box: Mailbox, count: int) -> None:
    messages = [await house.message(box, age_s=60 * n) for n in range(1, count + 1)]
    keys: Iterable[Step] = [Press("7", during="(message")] * count
    await listen(house, *keys)
    assert [await house.folder_of(message) for message in messages] == ["deleted"] * count
