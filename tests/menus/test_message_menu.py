"""The message menu: the stages of each message, and every key."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import pytest

from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import ChangeReason, Folder, Message
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, HeardSound, Meanwhile, Press, ScriptedCall, ScriptStep, Silence

MENU = (
    "To save, press one. To replay, press two. To forward, press three. To delete, press seven."
    " For the main menu, press zero."
)
SHORT = "Save, one Replay, two Forward, three Delete, seven Main menu, zero"
RECEIVED = "Received today at eleven a.m."


def audio_text(message: Message) -> str:
    return f"(message {message.id})"


async def listen_to_messages(
    app: AppFixture, *script: ScriptStep, key: str = "1", hang_up_at: int | None = None
) -> ScriptedCall:
    """Alice opens the new messages with 1 (or another folder's key), then follows the script."""
    return await app.run_call([Press(key), *script], endpoint="alice", number="1000", hang_up_at=hang_up_at)


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box(owner=app.alice, new_messages_at_once=False)


def heard_ranges(phone: ScriptedCall, message: Message) -> list[tuple[int, int]]:
    """Return the parts of the message's audio that were played, as start and end in ms."""
    return [(heard.from_ms, heard.to_ms) for heard in phone.heard_sounds if heard.text == audio_text(message)]


# -- playback ----------------------------------------------------------------------------------------------------------


async def test_message_plays_number_audio_envelope_menu(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    phone = await listen_to_messages(app, HangUp(during="To save"))
    assert phone.texts[1:] == ["Message one", audio_text(message), RECEIVED, MENU]


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
async def test_envelope_position_follows_settings(app: AppFixture, settings: dict[str, Any], order: list[str]) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False, **settings)
    message = await app.create_message(box)
    phone = await listen_to_messages(app, HangUp(during="To save"))
    names = {"Message one": "number", audio_text(message): "audio", RECEIVED: "envelope"}
    assert [names[text] for text in phone.texts[1:-1]] == order


async def test_alternate_envelope_says_caller(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False, envelope_type="caller_and_time")
    await app.create_message(box, caller="2001")
    phone = await listen_to_messages(app)
    assert "A call from two zero zero one today at eleven a.m." in phone.texts


async def test_envelope_time_uses_time_zone_of_box(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False, timezone="Asia/Tokyo")
    await app.create_message(box)
    assert "Received today at eight p.m." in (await listen_to_messages(app)).texts


async def test_messages_play_newest_first_by_default(app: AppFixture) -> None:
    newest_first = await app.create_box("1000", owner=app.alice, new_messages_at_once=False)
    old, new = await app.create_message(newest_first, age_s=7200), await app.create_message(newest_first, age_s=3600)
    phone = await listen_to_messages(app, HangUp(during="(message"))
    assert phone.texts[-1] == audio_text(new)
    await app.container.boxes.patch(newest_first, {"oldest_message_first": True})
    phone = await listen_to_messages(app, HangUp(during="(message"))
    assert phone.texts[-1] == audio_text(old)


async def test_spoken_menu_is_short_from_second_message_on(app: AppFixture, box: Mailbox) -> None:
    await app.create_message(box)
    await app.create_message(box, age_s=7200)
    phone = await listen_to_messages(app, Press("6", during="To save"), HangUp(during="Save,"))
    assert phone.texts[4] == MENU
    assert phone.texts[-1] == SHORT


async def test_spoken_menu_follows_key_map(app: AppFixture) -> None:
    await app.create_box(owner=app.alice, new_messages_at_once=False, keys={"delete": "9", "callback": "7"})
    box = await app.container.boxes.find_by_number(app.account.id, "1000")
    assert box
    message = await app.create_message(box)
    phone = await listen_to_messages(app, Press("9", during="To save"))
    assert "To delete, press nine." in phone.texts[4]
    assert await app.folder_of(message) == "deleted"


async def test_messages_arriving_during_playback_are_played_next_time(app: AppFixture, box: Mailbox) -> None:
    first = await app.create_message(box)
    arrives = Meanwhile(audio_text(first), lambda: app.create_message(box, age_s=9999))
    phone = await listen_to_messages(app, arrives, Press("6", during="Received"), HangUp(during="There are"))
    assert phone.texts[-1] == "There are no more messages."
    assert (await app.container.messages.counts(box.id)).new == 1, "the one that came in; the heard one was saved"


# -- 1 7 2 4 6 0 -------------------------------------------------------------------------------------------------------


async def test_key_1_saves_and_advances(app: AppFixture, box: Mailbox) -> None:
    first, second = await app.create_message(box, age_s=60), await app.create_message(box, age_s=7200)
    phone = await listen_to_messages(app, Press("1", during="(message"), HangUp(during=audio_text(second)))
    assert await app.folder_of(first) == "saved"
    assert phone.texts[1:] == ["Message one", audio_text(first), "Saved.", "Message two", audio_text(second)]


async def test_key_7_deletes_and_advances(app: AppFixture, box: Mailbox) -> None:
    first, second = await app.create_message(box, age_s=60), await app.create_message(box, age_s=7200)
    phone = await listen_to_messages(app, Press("7", during="(message"), HangUp(during=audio_text(second)))
    assert await app.folder_of(first) == "deleted"
    assert phone.texts[1:] == ["Message one", audio_text(first), "Deleted.", "Message two", audio_text(second)]


async def test_main_menu_follows_last_message(app: AppFixture, box: Mailbox) -> None:
    await app.create_message(box)
    phone = await listen_to_messages(app, Press("7", during="(message"))
    assert phone.texts[3:5] == ["Deleted.", "You have no messages."]


async def test_second_delete_restores_message(app: AppFixture, box: Mailbox) -> None:
    first = await app.create_message(box, age_s=60)
    await app.create_message(box, age_s=7200)
    phone = await listen_to_messages(
        app, Press("7", during=audio_text(first)), Press("4"), Press("7", during="deleted"), HangUp()
    )
    assert "Message one deleted" in phone.texts
    assert "Message restored." in phone.texts
    assert await app.folder_of(first) == "new"


async def test_key_7_in_deleted_folder_restores_previous_folder(app: AppFixture, box: Mailbox) -> None:
    was_saved = await app.create_message(box, folder="saved", age_s=60)
    was_new = await app.create_message(box, age_s=7200)
    for message in (was_saved, was_new):
        await app.container.messages.move_to_folder(box.id, message.id, Folder.DELETED, ChangeReason.DTMF)
    phone = await listen_to_messages(app, Press("7", during="To save"), Press("7", during="(message"), key="3")
    assert "To restore it, press seven." in phone.texts[4]
    assert await app.folder_of(was_saved) == "saved"
    assert await app.folder_of(was_new) == "new"


async def test_key_1_in_deleted_folder_saves(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box, folder="deleted")
    await listen_to_messages(app, Press("1", during="(message"), key="3")
    assert await app.folder_of(message) == "saved"


async def test_key_2_replays_from_message_number(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    phone = await listen_to_messages(app, Press("2", during="(message", after_ms=2000), HangUp(during="Received"))
    assert phone.texts[1:5] == ["Message one", audio_text(message), "Message one", audio_text(message)]
    assert heard_ranges(phone, message) == [(0, 2000), (0, 5000)]


async def test_keys_4_and_6_go_to_previous_and_next_message(app: AppFixture, box: Mailbox) -> None:
    first, second, third = [await app.create_message(box, age_s=age_s) for age_s in (60, 3600, 7200)]
    before, after = ([Press(key, during="(message", after_ms=100) for key in keys] for keys in ("4666", "44"))
    last = Press("4", during="Save, one", after_ms=100)
    phone = await listen_to_messages(app, *before, last, *after, HangUp(during="(message", after_ms=100))
    order = [text for text in phone.texts if text.startswith("(message")]
    assert order == [audio_text(m) for m in (first, first, second, third, second, first, first)]
    assert phone.texts.count("There are no more messages.") == 1
    assert {await app.folder_of(message) for message in (first, second, third)} == {"new"}


async def test_key_0_returns_to_main_menu(app: AppFixture, box: Mailbox) -> None:
    await app.create_message(box)
    phone = await listen_to_messages(app, Press("0", during="(message"), HangUp(during="To hear"))
    assert phone.texts[3:] == ["You have one new message", phone.texts[-1]]


# -- autosave ----------------------------------------------------------------------------------------------------------

WAYS_TO_LEAVE: dict[str, list[ScriptStep]] = {
    "zero": [Press("0")],
    "hang-up": [HangUp(after_ms=10)],
    "hang-up in the envelope": [],
    "four silent rounds": [Silence()] * 4,
}


@pytest.mark.parametrize("way", WAYS_TO_LEAVE)
async def test_heard_message_is_autosaved_when_left(app: AppFixture, box: Mailbox, way: str) -> None:
    message = await app.create_message(box)
    heard = (
        Press("#", during="To save", after_ms=500) if WAYS_TO_LEAVE[way] else HangUp(during="Received", after_ms=100)
    )
    await listen_to_messages(app, heard, *WAYS_TO_LEAVE[way])
    assert await app.folder_of(message) == "saved"


@pytest.mark.parametrize("way", ["zero", "hang-up"])
async def test_partially_heard_message_stays_new(app: AppFixture, box: Mailbox, way: str) -> None:
    message = await app.create_message(box)
    await listen_to_messages(app, Press("*", during="(message", after_ms=4900), *WAYS_TO_LEAVE[way])
    assert await app.folder_of(message) == "new"


async def test_seeking_to_end_does_not_count_as_heard(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    phone = await listen_to_messages(app, Press("8", during="(message"), HangUp(during="To save"))
    assert RECEIVED in phone.texts, "what follows the audio went on"
    assert await app.folder_of(message) == "new"


async def test_keys_4_and_6_do_not_autosave(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box, age_s=60)
    await app.create_message(box, age_s=7200)
    await listen_to_messages(app, Press("6", during="To save"), HangUp(during="Message two"))
    assert await app.folder_of(message) == "new"


@pytest.mark.parametrize(("folder", "key"), [("saved", "2"), ("deleted", "3")])
async def test_autosave_applies_only_to_new_folder(app: AppFixture, box: Mailbox, folder: str, key: str) -> None:
    message = await app.create_message(box, folder=folder)
    await listen_to_messages(app, HangUp(during="To save"), key=key)
    assert await app.folder_of(message) == folder


async def test_message_heard_earlier_in_call_is_autosaved(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box, age_s=60)
    await app.create_message(box, age_s=7200)
    script: list[ScriptStep] = [
        Press("6", during="To save"),
        Press("4", during="Message two"),
        Press("0", during="Message one"),
    ]
    await listen_to_messages(app, *script)
    assert await app.folder_of(message) == "saved"


async def test_message_deleted_elsewhere_stays_deleted(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    deleted = Meanwhile(
        RECEIVED,
        lambda: app.container.messages.move_to_folder(box.id, message.id, Folder.DELETED, ChangeReason.API_REQUEST),
    )
    await listen_to_messages(app, deleted, HangUp(during="To save"))
    assert await app.folder_of(message) == "deleted"


# -- 5 8 * # -----------------------------------------------------------------------------------------------------------


async def test_keys_5_and_8_rewind_and_fast_forward(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box, s=60)
    keys: list[ScriptStep] = [
        Press("8", during="(message", after_ms=3000),
        Press("8", after_ms=2000),
        Press("5", after_ms=1000),
    ]
    phone = await listen_to_messages(app, *keys, HangUp(after_ms=500))
    assert heard_ranges(phone, message) == [(0, 3000), (13_000, 15_000), (25_000, 26_000), (16_000, 16_500)]


async def test_seek_step_is_a_box_setting(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False, seek_duration_ms=3000)
    message = await app.create_message(box, s=60)
    keys = [Press("8", during="(message", after_ms=1000), Press("5", after_ms=100)]
    phone = await listen_to_messages(app, *keys, HangUp(after_ms=100))
    assert heard_ranges(phone, message) == [(0, 1000), (4000, 4100), (1100, 1200)]


async def test_rewind_stops_at_start(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box, s=60)
    phone = await listen_to_messages(app, Press("5", during="(message", after_ms=3000), HangUp(after_ms=100))
    assert heard_ranges(phone, message) == [(0, 3000), (0, 100)]


async def test_fast_forward_past_end_continues_with_envelope(app: AppFixture, box: Mailbox) -> None:
    await app.create_message(box, s=8)
    phone = await listen_to_messages(app, Press("8", during="(message", after_ms=3000), HangUp(during="To save"))
    assert phone.texts[3:5] == [RECEIVED, MENU]


async def test_key_5_after_end_replays_last_seconds(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box, s=60)
    phone = await listen_to_messages(app, Press("5", during="To save"), HangUp(during="(message", after_ms=100))
    assert heard_ranges(phone, message) == [(0, 60_000), (50_000, 50_100)]


async def test_keys_5_and_8_without_seeking_play_envelope_and_nothing(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False, is_voicemail_ff_rw_enabled=False)
    message = await app.create_message(box, caller="2001")
    keys: list[ScriptStep] = [
        Press("5", during="(message", after_ms=1000),
        Press("8", during="(message", after_ms=1000),
    ]
    phone = await listen_to_messages(app, *keys, HangUp(during="(message", after_ms=100))
    assert "from two zero zero one length five seconds" in phone.texts[3]
    assert "That entry is not valid." in phone.texts
    assert heard_ranges(phone, message) == [(0, 1000), (1000, 2000), (2000, 2100)]


async def test_star_pauses_and_resumes_playback(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box, s=60)
    script: list[ScriptStep] = [
        Press("*", during="(message", after_ms=2000),
        Press("*", after_ms=30_000),
        HangUp(after_ms=100),
    ]
    phone = await listen_to_messages(app, *script)
    assert heard_ranges(phone, message) == [(0, 2000), (2000, 2100)]


async def test_pause_ends_after_a_minute(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box, s=60)
    began = app.clock.now()
    script: list[ScriptStep] = [Press("*", during="(message", after_ms=2000), Silence(), HangUp(after_ms=100)]
    phone = await listen_to_messages(app, *script)
    assert heard_ranges(phone, message) == [(0, 2000), (2000, 2100)]
    assert app.clock.now() - began > 60


async def test_other_key_ends_pause_and_acts(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box, s=60)
    await listen_to_messages(app, Press("*", during="(message", after_ms=2000), Press("7", after_ms=5000))
    assert await app.folder_of(message) == "deleted"


async def test_star_without_playback_is_ignored(app: AppFixture, box: Mailbox) -> None:
    await app.create_message(box)
    phone = await listen_to_messages(
        app, Press("*", during="To save", after_ms=1000), HangUp(during="To save", after_ms=500)
    )
    assert [heard for heard in phone.heard_sounds if heard.text == MENU] == [
        HeardSound(MENU, 0, 1000),
        HeardSound(MENU, 1000, 1500),
    ]


async def test_pound_plays_envelope_and_resumes_playback(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box, s=60, caller="2001")
    phone = await listen_to_messages(
        app, Press("#", during="(message", after_ms=2000), HangUp(during="(message", after_ms=100)
    )
    assert phone.texts[3] == RECEIVED + " from two zero zero one length one minute"
    assert heard_ranges(phone, message) == [(0, 2000), (2000, 2100)]


# -- invalid keys and silence ------------------------------------------------------------------------------------------


async def test_three_invalid_keys_end_call(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False, keys={"callback": ""})
    message = await app.create_message(box)
    phone = await listen_to_messages(app, *[Press("9", during="(message")] * 3)
    assert phone.texts[-1] == "I am sorry, there were too many entries that are not valid. Goodbye."
    assert phone.hangup_event
    assert await app.folder_of(message) == "new"


async def test_valid_key_resets_invalid_key_count(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False, keys={"callback": ""})
    await app.create_message(box)
    script: list[ScriptStep] = [Press(key, during="(message", after_ms=10) for key in "9929929"]
    phone = await listen_to_messages(app, *script, HangUp(during="Received"))
    assert phone.texts.count("That entry is not valid.") == 5
    assert "too many" not in " ".join(phone.texts)


async def test_four_menu_timeouts_end_call_with_goodbye(app: AppFixture, box: Mailbox) -> None:
    await app.create_message(box)
    phone = await listen_to_messages(app, *[Silence()] * 4)
    assert phone.texts[-1] == "Goodbye."
    assert phone.texts.count(MENU) == 4
    assert phone.status == "DONE"


# -- changes by others during playback ---------------------------------------------------------------------------------


async def test_vanished_message_is_skipped(app: AppFixture, box: Mailbox) -> None:
    first, second = await app.create_message(box, age_s=60), await app.create_message(box, age_s=7200)
    vanishes = Meanwhile(audio_text(first), lambda: app.container.messages.soft_delete(box.id, [first.id]))
    phone = await listen_to_messages(
        app, vanishes, Press("1", during=audio_text(first)), HangUp(during=audio_text(second))
    )
    assert phone.texts[3:] == ["This message is no longer here.", "Message one", audio_text(second)]


@pytest.mark.sqlite_only
async def test_locked_database_is_announced_without_loss(app: AppFixture, box: Mailbox) -> None:
    message = await app.create_message(box)
    other = sqlite3.connect(app.settings.data.folder / "state" / "ivr.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def unlock() -> None:
        other.execute("ROLLBACK")
        other.close()

    script: list[ScriptStep] = [Press("1", during="(message"), Meanwhile(MENU, unlock), Press("1", during="To save")]
    phone = await listen_to_messages(app, *script)
    assert phone.texts[3:6] == ["I am sorry, that could not be done. Nothing was lost.", MENU, "Saved."]
    assert await app.folder_of(message) == "saved"


@pytest.mark.parametrize("count", [3])
async def test_box_with_many_messages_is_played_to_its_end(app: AppFixture, box: Mailbox, count: int) -> None:
    messages = [await app.create_message(box, age_s=60 * n) for n in range(1, count + 1)]
    keys: Iterable[ScriptStep] = [Press("7", during="(message")] * count
    await listen_to_messages(app, *keys)
    assert [await app.folder_of(message) for message in messages] == ["deleted"] * count
