"""Recording a greeting, a temporary greeting, a name: nothing is used before its owner said so, nothing is lost."""

from __future__ import annotations

import pytest

from ivr.audio import wav
from ivr.call.scripted import HangUp, Meanwhile, Press, ScriptedCall, Silence, Speak, Step
from ivr.errors import StoreFull
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Folder
from ivr.mailbox.store import Because
from tests.support.house import House

ASK = "After the tone, please record your greeting. Press any key when you have finished."
BEEP = "(beep)"
REVIEW = (
    "To use this recording, press one. To listen to it, press two. To record it again, press three."
    " To throw it away, press seven."
)
FOUND = "The greeting that you recorded on an earlier call is not in use yet."
LATER = "The recording is not in use. You will be asked about it on your next call."
DAYS = "For how many days"
MENU = "To record your greeting"
MAIN = "You have no messages."
HOME = [Press("0", during=MENU), Press("#", during=MAIN)]


def review(key: str) -> Press:
    return Press(key, during="To use this recording")


async def dial(house: House, *script: Step) -> ScriptedCall:
    return await house.call(script, endpoint="alice", number="1000")


async def record(house: House, *script: Step, key: str = "1") -> ScriptedCall:
    """Alice goes to the settings of box 1000 and presses `key`; what was heard from there on is at [2:]."""
    return await dial(house, Press("5", during=MAIN), Press(key, during=MENU), *script)


async def greeting_ms(house: House, box: Mailbox) -> int | None:
    """How long what callers hear is; None: the generic sentence."""
    sound = await house.app.mailroom.greetings.greeting(await house.app.boxes.get(box.id))
    if sound is None:
        return None
    assert wav.length_ms(sound.path) == sound.length_ms
    return sound.length_ms


async def asides(house: House, box: Mailbox) -> list[tuple[str, int]]:
    takes = house.app.mailroom.takes
    return [(take.purpose, takes.length_ms(take)) for take in await takes.aside(box.id)]


def files(house: House) -> int:
    return len(list(house.app.recordings.takes.iterdir()))


@pytest.fixture
async def box(house: House) -> Mailbox:
    return await house.box("1000", owner=house.alice)


async def test_recorded_reviewed_used(house: House, box: Mailbox) -> None:
    phone = await record(house, Speak(3000), review("1"), *HOME)
    assert phone.texts[2:6] == [ASK, BEEP, REVIEW, "Saved."]
    assert phone.texts[6].startswith(MENU)
    assert await greeting_ms(house, box) == 3000
    assert files(house) == 0


async def test_a_key_goes_to_the_beep_at_once_and_is_no_choice(house: House, box: Mailbox) -> None:
    phone = await record(house, Press("1", during="After the tone"), Speak(3000), review("1"))
    assert phone.texts[2:6] == [ASK, BEEP, REVIEW, "Saved."]


async def test_listened_to_and_recorded_again(house: House, box: Mailbox) -> None:
    phone = await record(house, Speak(3000), review("2"), review("3"), Speak(4000), review("1"))
    assert phone.texts[4:9] == [REVIEW, "(your recording)", REVIEW, BEEP, REVIEW]
    assert await greeting_ms(house, box) == 4000
    assert files(house) == 0


async def test_thrown_away(house: House, box: Mailbox) -> None:
    phone = await record(house, Speak(3000), review("7"))
    assert phone.texts[5] == "The recording was not kept."
    assert await greeting_ms(house, box) is None
    assert await asides(house, box) == []
    assert files(house) == 0


@pytest.mark.parametrize("key", ["4", "0"])
async def test_what_only_callers_can_choose_means_nothing_here(house: House, box: Mailbox, key: str) -> None:
    phone = await record(house, Speak(3000), review(key), review("1"))
    assert phone.texts[4:8] == [REVIEW, "That entry is not valid.", REVIEW, "Saved."]


async def test_the_longest_is_five_minutes_whatever_callers_may_say(house: House) -> None:
    box = await house.box("1000", owner=house.alice, max_message_length=10)
    await record(house, Speak(400_000, then="silence"), review("1"))
    assert await greeting_ms(house, box) == 300_000


async def test_too_short_is_said_and_not_used(house: House, box: Mailbox) -> None:
    phone = await record(house, Speak(300), *HOME)
    assert phone.texts[2:5] == [ASK, BEEP, "The recording was too short to be kept."]
    assert await greeting_ms(house, box) is None
    assert await asides(house, box) == []
    assert files(house) == 0


async def test_no_choice_puts_nothing_in_use_and_loses_nothing(house: House, box: Mailbox) -> None:
    phone = await record(house, Speak(3000), *[Silence()] * 4, *HOME)
    assert phone.texts[4:9] == [REVIEW] * 4 + [LATER]
    assert phone.texts[9].startswith(MENU), "nobody is thrown out"
    assert await greeting_ms(house, box) is None
    assert await asides(house, box) == [("greeting", 3000)]


async def test_without_room_for_it_it_is_not_used_and_not_lost(house: House) -> None:
    """Its owner hears why, deletes something, and is asked again."""
    box = await house.box("1000", owner=house.alice, quota_mb=1, new_messages_at_once=False)
    message = await house.message(box, s=50)
    way: list[Step] = [Press("5", during="You have"), Press("1", during=MENU)]
    phone = await dial(house, *way, Speak(20_000), review("1"), HangUp(during=LATER))
    assert phone.texts[5:7] == ["There is no room for it in your mailbox. Please delete some messages first.", LATER]
    assert await greeting_ms(house, box) is None
    assert await asides(house, box) == [("greeting", 20_000)]
    await house.app.messages.move_to(box.id, message.id, Folder.DELETED, Because.KEY)
    phone = await dial(house, review("1"), HangUp(during="You have"))
    assert phone.texts[:3] == [FOUND, REVIEW, "Saved."]
    assert await greeting_ms(house, box) == 20_000


@pytest.mark.parametrize(
    "cut", [Speak(3000, then="hang-up"), HangUp(during="To use this"), HangUp(during="(your recording)")]
)
async def test_hung_up_it_is_not_used_and_not_lost(house: House, box: Mailbox, cut: Step) -> None:
    before = [] if isinstance(cut, Speak) else [Speak(3000)]
    listen = [review("2")] if isinstance(cut, HangUp) and cut.during == "(your recording)" else []
    phone = await record(house, *before, *listen, cut)
    assert phone.status == "HANGUP"
    assert await greeting_ms(house, box) is None
    phone = await dial(house, review("2"), review("1"), Press("#", during=MAIN))
    assert phone.texts == [FOUND, REVIEW, "(your recording)", REVIEW, "Saved.", MAIN, "Goodbye."]
    assert await greeting_ms(house, box) == 3000
    assert (await dial(house)).texts[0] == MAIN, "asked once"
    assert files(house) == 0


async def test_hung_up_before_anything_was_said_there_is_nothing_to_offer(house: House, box: Mailbox) -> None:
    await record(house, HangUp(during=BEEP))
    assert (await dial(house)).texts[0] == MAIN
    assert files(house) == 0


async def test_the_greeting_in_use_stays_until_then(house: House, box: Mailbox) -> None:
    await record(house, Speak(2000), review("1"))
    await record(house, Speak(3000, then="hang-up"))
    assert await greeting_ms(house, box) == 2000


async def test_found_and_thrown_away(house: House, box: Mailbox) -> None:
    await record(house, Speak(3000, then="hang-up"))
    phone = await dial(house, review("7"))
    assert phone.texts[:4] == [FOUND, REVIEW, "The recording was not kept.", MAIN]
    assert await asides(house, box) == []


async def test_found_and_recorded_again(house: House, box: Mailbox) -> None:
    await record(house, Speak(3000, then="hang-up"))
    await dial(house, review("3"), Speak(4000), review("1"))
    assert await greeting_ms(house, box) == 4000
    assert await asides(house, box) == []


async def test_found_and_not_decided_it_is_offered_again(house: House, box: Mailbox) -> None:
    await record(house, Speak(3000, then="hang-up"))
    for end in ([Silence()] * 4, [HangUp(during="To use this")], [HangUp(during=FOUND)]):
        phone = await dial(house, *end)
        assert phone.texts[0] == FOUND
    assert await asides(house, box) == [("greeting", 3000)]


async def test_only_the_newest_is_offered(house: House, box: Mailbox) -> None:
    await record(house, Speak(3000, then="hang-up"))
    await dial(house, review("3"), Speak(4000, then="hang-up"))
    assert await asides(house, box) == [("greeting", 4000)]
    assert files(house) == 1


async def test_keys_typed_ahead_do_not_decide_about_what_was_found(house: House, box: Mailbox) -> None:
    """1 means new messages to whoever types it before the offer was even heard."""
    await record(house, Speak(3000, then="hang-up"))
    phone = await house.call([Press("1379#1#")], number="1000")
    assert phone.texts[1:] == ["Goodbye."], "no new messages, and out"
    assert await greeting_ms(house, box) is None
    assert await asides(house, box) == [("greeting", 3000)]


async def test_a_key_that_cuts_the_announcement_is_meant_for_the_main_menu(house: House, box: Mailbox) -> None:
    await record(house, Speak(3000, then="hang-up"))
    phone = await dial(house, Press("#", during=FOUND))
    assert phone.texts == [FOUND, "Goodbye."]


async def test_it_is_offered_in_the_settings_too(house: House, box: Mailbox) -> None:
    await record(house, Speak(3000, then="hang-up"))
    script = [Press("51", during=FOUND), review("1")]
    phone = await dial(house, *script)
    assert phone.texts[:4] == [FOUND, FOUND, REVIEW, "Saved."]
    assert await greeting_ms(house, box) == 3000


async def test_of_each_kind_one_is_offered_and_named(house: House, box: Mailbox) -> None:
    await record(house, Speak(3000, then="hang-up"), key="1")
    await dial(house, Press("5", during=FOUND), Press("2", during=MENU), Speak(1000, then="hang-up"))
    await dial(house, Press("5", during=FOUND), Press("4", during=MENU), Speak(2000, then="hang-up"))
    phone = await dial(house, review("1"), review("1"), review("1"), Press("#", during=DAYS))
    assert [text for text in phone.texts if "earlier call" in text] == [
        FOUND,
        "The name that you recorded on an earlier call is not in use yet.",
        "The temporary greeting that you recorded on an earlier call is not in use yet.",
    ]
    assert await asides(house, box) == []
    assert await greeting_ms(house, box) == 2000


async def test_where_the_owner_may_change_nothing_nothing_is_offered(house: House, box: Mailbox) -> None:
    await record(house, Speak(3000, then="hang-up"))
    await house.app.boxes.amend(box.id, {"not_configurable": True})
    assert (await dial(house)).texts[0] == MAIN


async def test_what_two_calls_decide_about_is_decided_once(house: House, box: Mailbox) -> None:
    await record(house, Speak(3000, then="hang-up"))

    async def the_other_call_uses_it() -> None:
        [take] = await house.app.mailroom.takes.aside(box.id)
        await house.app.mailroom.greetings.use(take, box)

    phone = await dial(house, Meanwhile("To use this", the_other_call_uses_it), review("1"))
    assert phone.texts[2:4] == ["The recording was not kept.", MAIN]
    assert await greeting_ms(house, box) == 3000


async def test_a_found_recording_whose_file_is_gone_stops_nobody(house: House, box: Mailbox) -> None:
    await record(house, Speak(3000, then="hang-up"))
    for path in house.app.recordings.takes.iterdir():
        path.unlink()
    assert (await dial(house)).texts[:3] == [FOUND, "The recording was not kept.", MAIN]
    assert (await dial(house)).texts[0] == MAIN


async def test_on_a_full_disk_it_is_not_used_and_not_lost(
    house: House, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise StoreFull("the disk is full")

    monkeypatch.setattr(house.app.mailroom.greetings, "use", full)
    phone = await record(house, Speak(3000), review("1"))
    monkeypatch.undo()
    assert phone.texts[5:7] == ["I am sorry, that could not be done. Nothing was lost.", LATER]
    assert await asides(house, box) == [("greeting", 3000)]


# -- the name ----------------------------------------------------------------------------------------------------------


async def test_the_name_is_the_owners(house: House, box: Mailbox) -> None:
    phone = await record(house, Speak(1000), review("1"), key="2")
    assert phone.texts[2] == "After the tone, please say your name. Press any key when you have finished."
    alice = await house.app.directory.user(house.alice.id)
    changed = await house.app.boxes.get(box.id)
    assert changed.settings.media.name is None
    assert alice.settings["media"]["name"]
    name = await house.app.mailroom.greetings.name(changed)
    assert name
    assert name.length_ms == 1000


# -- the temporary greeting --------------------------------------------------------------------------------------------


async def test_a_temporary_greeting_ends_with_its_last_day(house: House, box: Mailbox) -> None:
    await record(house, Speak(2000), review("1"))
    phone = await record(house, Speak(3000), review("1"), Press("3#", during=DAYS), *HOME, key="4")
    assert phone.texts[5].startswith(DAYS)
    assert phone.texts[6] == "Saved. Your temporary greeting is in use through Thursday May twelfth"
    assert await greeting_ms(house, box) == 3000
    assert (await dial(house)).texts[0] == "Your temporary greeting is in use through Thursday May twelfth"
    house.clock.advance(s=2 * 86_400)
    assert (await dial(house)).texts[0] == "Your temporary greeting is in use through today"
    house.clock.advance(s=12 * 3600)
    assert (await dial(house)).texts[0] == MAIN
    assert await greeting_ms(house, box) == 2000


async def test_pound_alone_has_no_end(house: House, box: Mailbox) -> None:
    phone = await record(house, Speak(3000), review("1"), Press("#", during=DAYS), key="4")
    assert phone.texts[6] == "Saved. Your temporary greeting is in use."
    house.clock.advance(s=400 * 86_400)
    assert await greeting_ms(house, box) == 3000
    assert (await dial(house)).texts[0] == "Your temporary greeting is in use."


@pytest.mark.parametrize("typed", ["0#", "366", "999", "*1#"])
async def test_days_that_make_no_sense_are_asked_for_again(house: House, box: Mailbox, typed: str) -> None:
    script = [Press(typed, during=DAYS), Press("365", during=DAYS)]
    phone = await record(house, Speak(3000), review("1"), *script, key="4")
    assert phone.texts[6] == "That entry is not valid."
    assert (await house.app.boxes.get(box.id)).settings.media.temporary_until


async def test_no_days_puts_nothing_in_use(house: House, box: Mailbox) -> None:
    phone = await record(house, Speak(3000), review("1"), *[Silence()] * 3, key="4")
    assert phone.texts[10:12] == ["That entry is not valid.", LATER]
    assert await greeting_ms(house, box) is None
    assert await asides(house, box) == [("temporary", 3000)]


async def test_hung_up_at_the_days_it_is_offered_the_next_time(house: House, box: Mailbox) -> None:
    await record(house, Speak(3000), review("1"), HangUp(during=DAYS), key="4")
    assert await greeting_ms(house, box) is None
    phone = await dial(house, review("1"), Press("1#", during=DAYS))
    assert phone.texts[0].startswith("The temporary greeting that you recorded")
    assert "Saved. Your temporary greeting is in use through today" in phone.texts
    assert await greeting_ms(house, box) == 3000


async def test_a_key_that_cuts_what_is_said_on_coming_in_is_kept(house: House, box: Mailbox) -> None:
    await record(house, Speak(3000), review("1"), Press("#", during=DAYS), key="4")
    phone = await dial(house, Press("#", during="Your temporary greeting"))
    assert phone.texts == ["Your temporary greeting is in use.", "Goodbye."]


async def test_all_is_written_down(house: House, box: Mailbox) -> None:
    phone = await record(house, Speak(3000), review("1"))
    media = (await house.app.boxes.get(box.id)).settings.media.unavailable
    assert {"what": "in use", "media": media, "kind": "unavailable"} in [
        {"what": step.what, **step.details} for step in phone.journal.steps
    ]


async def test_seven_in_a_callers_review_throws_nothing_away(house: House, box: Mailbox) -> None:
    script: list[Step] = [Speak(3000), Press("7", during="To keep"), Press("1", during="To keep")]
    phone = await house.call(script, path="leave", number="1000")
    assert "That entry is not valid." in phone.texts
    assert len(await house.messages(box)) == 1
