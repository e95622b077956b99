"""Recording a greeting, a temporary greeting or a name: nothing is used before the owner confirms, nothing is lost."""

from __future__ import annotations

import pytest

from ivr.audio import wav
from ivr.errors import DiskFull
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditAction, AuditQuery, ChangeReason, Folder
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Meanwhile, Press, ScriptedCall, ScriptStep, Silence, Speak

ASK = "After the tone, please record your greeting. Press any key when you have finished."
BEEP = "(beep)"
REVIEW = (
    "To use this recording, press one. To listen to it, press two. To record it again, press three."
    " To throw it away, press seven."
)
PENDING_RECORDING = "The greeting that you recorded on an earlier call is not in use yet."
OFFERED_LATER = "The recording is not in use. You will be asked about it on your next call."
DAYS = "For how many days"
MENU = "To record your greeting"
MAIN = "You have no messages."
CALL_START = [Press("0", during=MENU), Press("#", during=MAIN)]


def press_in_review(key: str) -> Press:
    return Press(key, during="To use this recording")


async def call_own_box(app: AppFixture, *script: ScriptStep) -> ScriptedCall:
    return await app.run_call(script, endpoint="alice", number="1000")


async def record_greeting(app: AppFixture, *script: ScriptStep, key: str = "1") -> ScriptedCall:
    """Alice presses `key` in the settings of mailbox 1000. The prompts from there on are at [2:]."""
    return await call_own_box(app, Press("5", during=MAIN), Press(key, during=MENU), *script)


async def greeting_ms(app: AppFixture, box: Mailbox) -> int | None:
    """Return the length of the greeting that callers hear; None for the generic greeting."""
    sound = await app.container.voicemail_services.greetings.find_greeting(await app.container.boxes.get(box.id))
    if sound is None:
        return None
    assert wav.length_ms(sound.path) == sound.length_ms
    return sound.length_ms


async def suspended_takes(app: AppFixture, box: Mailbox) -> list[tuple[str, int]]:
    takes = app.container.voicemail_services.takes
    return [(take.purpose, takes.length_ms(take)) for take in await takes.list_awaiting_owner(box.id)]


def recording_files(app: AppFixture) -> int:
    return len(list(app.container.recordings.takes_folder.iterdir()))


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", owner=app.alice)


async def test_greeting_is_recorded_reviewed_and_activated(app: AppFixture, box: Mailbox) -> None:
    phone = await record_greeting(app, Speak(3000), press_in_review("1"), *CALL_START)
    assert phone.texts[2:6] == [ASK, BEEP, REVIEW, "Saved."]
    assert phone.texts[6].startswith(MENU)
    assert await greeting_ms(app, box) == 3000
    assert recording_files(app) == 0
    changed = AuditQuery(box_id=box.id, action=AuditAction.SETTINGS_CHANGED)
    [entry] = await app.container.audit_store.find(changed, 10)
    assert (entry.subject, entry.actor.user, entry.actor.proof) == ("media.unavailable", app.alice.id, "own phone")


async def test_key_skips_to_beep_and_is_no_review_choice(app: AppFixture, box: Mailbox) -> None:
    phone = await record_greeting(app, Press("1", during="After the tone"), Speak(3000), press_in_review("1"))
    assert phone.texts[2:6] == [ASK, BEEP, REVIEW, "Saved."]


async def test_greeting_is_played_back_and_rerecorded(app: AppFixture, box: Mailbox) -> None:
    phone = await record_greeting(
        app, Speak(3000), press_in_review("2"), press_in_review("3"), Speak(4000), press_in_review("1")
    )
    assert phone.texts[4:9] == [REVIEW, "(your recording)", REVIEW, BEEP, REVIEW]
    assert await greeting_ms(app, box) == 4000
    assert recording_files(app) == 0


async def test_greeting_take_is_discarded(app: AppFixture, box: Mailbox) -> None:
    phone = await record_greeting(app, Speak(3000), press_in_review("7"))
    assert phone.texts[5] == "The recording was not kept."
    assert await greeting_ms(app, box) is None
    assert await suspended_takes(app, box) == []
    assert recording_files(app) == 0


@pytest.mark.parametrize("key", ["4", "0"])
async def test_caller_review_keys_are_invalid_for_greeting(app: AppFixture, box: Mailbox, key: str) -> None:
    phone = await record_greeting(app, Speak(3000), press_in_review(key), press_in_review("1"))
    assert phone.texts[4:8] == [REVIEW, "That entry is not valid.", REVIEW, "Saved."]


async def test_greeting_length_is_limited_to_five_minutes(app: AppFixture) -> None:
    box = await app.create_box("1000", owner=app.alice, max_message_length=10)
    await record_greeting(app, Speak(400_000, then="silence"), press_in_review("1"))
    assert await greeting_ms(app, box) == 300_000


async def test_too_short_greeting_is_announced_and_not_activated(app: AppFixture, box: Mailbox) -> None:
    phone = await record_greeting(app, Speak(300), *CALL_START)
    assert phone.texts[2:5] == [ASK, BEEP, "The recording was too short to be kept."]
    assert await greeting_ms(app, box) is None
    assert await suspended_takes(app, box) == []
    assert recording_files(app) == 0


async def test_undecided_greeting_is_suspended(app: AppFixture, box: Mailbox) -> None:
    phone = await record_greeting(app, Speak(3000), *[Silence()] * 4, *CALL_START)
    assert phone.texts[4:9] == [REVIEW] * 4 + [OFFERED_LATER]
    assert phone.texts[9].startswith(MENU), "the call continues"
    assert await greeting_ms(app, box) is None
    assert await suspended_takes(app, box) == [("greeting", 3000)]


async def test_greeting_over_quota_is_suspended(app: AppFixture) -> None:
    """The owner hears why, deletes a message, and is asked again."""
    box = await app.create_box("1000", owner=app.alice, quota_mb=1, new_messages_at_once=False)
    message = await app.create_message(box, s=50)
    way: list[ScriptStep] = [Press("5", during="You have"), Press("1", during=MENU)]
    phone = await call_own_box(app, *way, Speak(20_000), press_in_review("1"), HangUp(during=OFFERED_LATER))
    assert phone.texts[5:7] == [
        "There is no room for it in your mailbox. Please delete some messages first.",
        OFFERED_LATER,
    ]
    assert await greeting_ms(app, box) is None
    assert await suspended_takes(app, box) == [("greeting", 20_000)]
    await app.container.messages.move_to_folder(box.id, message.id, Folder.DELETED, ChangeReason.DTMF)
    phone = await call_own_box(app, press_in_review("1"), HangUp(during="You have"))
    assert phone.texts[:3] == [PENDING_RECORDING, REVIEW, "Saved."]
    assert await greeting_ms(app, box) == 20_000


@pytest.mark.parametrize(
    "cut", [Speak(3000, then="hang-up"), HangUp(during="To use this"), HangUp(during="(your recording)")]
)
async def test_greeting_interrupted_by_hangup_is_suspended(app: AppFixture, box: Mailbox, cut: ScriptStep) -> None:
    before = [] if isinstance(cut, Speak) else [Speak(3000)]
    listen = [press_in_review("2")] if isinstance(cut, HangUp) and cut.during == "(your recording)" else []
    phone = await record_greeting(app, *before, *listen, cut)
    assert phone.status == "HANGUP"
    assert await greeting_ms(app, box) is None
    phone = await call_own_box(app, press_in_review("2"), press_in_review("1"), Press("#", during=MAIN))
    assert phone.texts == [PENDING_RECORDING, REVIEW, "(your recording)", REVIEW, "Saved.", MAIN, "Goodbye."]
    assert await greeting_ms(app, box) == 3000
    assert (await call_own_box(app)).texts[0] == MAIN, "offered only once"
    assert recording_files(app) == 0


async def test_hangup_before_speech_leaves_no_pending_greeting(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, HangUp(during=BEEP))
    assert (await call_own_box(app)).texts[0] == MAIN
    assert recording_files(app) == 0


async def test_active_greeting_stays_until_new_one_is_accepted(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(2000), press_in_review("1"))
    await record_greeting(app, Speak(3000, then="hang-up"))
    assert await greeting_ms(app, box) == 2000


async def test_pending_greeting_is_discarded(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(3000, then="hang-up"))
    phone = await call_own_box(app, press_in_review("7"))
    assert phone.texts[:4] == [PENDING_RECORDING, REVIEW, "The recording was not kept.", MAIN]
    assert await suspended_takes(app, box) == []


async def test_pending_greeting_is_rerecorded(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(3000, then="hang-up"))
    await call_own_box(app, press_in_review("3"), Speak(4000), press_in_review("1"))
    assert await greeting_ms(app, box) == 4000
    assert await suspended_takes(app, box) == []


async def test_undecided_pending_greeting_is_offered_again(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(3000, then="hang-up"))
    for end in ([Silence()] * 4, [HangUp(during="To use this")], [HangUp(during=PENDING_RECORDING)]):
        phone = await call_own_box(app, *end)
        assert phone.texts[0] == PENDING_RECORDING
    assert await suspended_takes(app, box) == [("greeting", 3000)]


async def test_only_newest_pending_greeting_is_offered(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(3000, then="hang-up"))
    await call_own_box(app, press_in_review("3"), Speak(4000, then="hang-up"))
    assert await suspended_takes(app, box) == [("greeting", 4000)]
    assert recording_files(app) == 1


async def test_typeahead_does_not_decide_pending_greeting(app: AppFixture, box: Mailbox) -> None:
    """A 1 typed before the offer was heard means the new messages."""
    await record_greeting(app, Speak(3000, then="hang-up"))
    phone = await app.run_call([Press("1379#1#")], number="1000")
    assert phone.texts[1:] == ["Goodbye."], "no new messages, and out"
    assert await greeting_ms(app, box) is None
    assert await suspended_takes(app, box) == [("greeting", 3000)]


async def test_key_interrupting_announcement_applies_to_main_menu(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(3000, then="hang-up"))
    phone = await call_own_box(app, Press("#", during=PENDING_RECORDING))
    assert phone.texts == [PENDING_RECORDING, "Goodbye."]


async def test_pending_greeting_is_offered_in_settings_menu(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(3000, then="hang-up"))
    script = [Press("51", during=PENDING_RECORDING), press_in_review("1")]
    phone = await call_own_box(app, *script)
    assert phone.texts[:4] == [PENDING_RECORDING, PENDING_RECORDING, REVIEW, "Saved."]
    assert await greeting_ms(app, box) == 3000


async def test_one_pending_recording_per_kind_is_offered(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(3000, then="hang-up"), key="1")
    await call_own_box(app, Press("5", during=PENDING_RECORDING), Press("2", during=MENU), Speak(1000, then="hang-up"))
    await call_own_box(app, Press("5", during=PENDING_RECORDING), Press("4", during=MENU), Speak(2000, then="hang-up"))
    phone = await call_own_box(
        app, press_in_review("1"), press_in_review("1"), press_in_review("1"), Press("#", during=DAYS)
    )
    assert [text for text in phone.texts if "earlier call" in text] == [
        PENDING_RECORDING,
        "The name that you recorded on an earlier call is not in use yet.",
        "The temporary greeting that you recorded on an earlier call is not in use yet.",
    ]
    assert await suspended_takes(app, box) == []
    assert await greeting_ms(app, box) == 2000


async def test_pending_recordings_are_not_offered_in_unconfigurable_box(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(3000, then="hang-up"))
    await app.container.boxes.patch_from_phone(box.id, {"not_configurable": True})
    assert (await call_own_box(app)).texts[0] == MAIN


async def test_pending_greeting_is_decided_once_across_calls(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(3000, then="hang-up"))

    async def the_other_call_uses_it() -> None:
        [take] = await app.container.voicemail_services.takes.list_awaiting_owner(box.id)
        await app.container.voicemail_services.greetings.activate(take, box)

    phone = await call_own_box(app, Meanwhile("To use this", the_other_call_uses_it), press_in_review("1"))
    assert phone.texts[2:4] == ["The recording was not kept.", MAIN]
    assert await greeting_ms(app, box) == 3000


async def test_pending_recording_without_file_is_skipped(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(3000, then="hang-up"))
    for path in app.container.recordings.takes_folder.iterdir():
        path.unlink()
    assert (await call_own_box(app)).texts[:3] == [PENDING_RECORDING, "The recording was not kept.", MAIN]
    assert (await call_own_box(app)).texts[0] == MAIN


async def test_greeting_on_full_disk_is_suspended(
    app: AppFixture, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise DiskFull("the disk is full")

    monkeypatch.setattr(app.container.voicemail_services.greetings, "activate", full)
    phone = await record_greeting(app, Speak(3000), press_in_review("1"))
    monkeypatch.undo()
    assert phone.texts[5:7] == ["I am sorry, that could not be done. Nothing was lost.", OFFERED_LATER]
    assert await suspended_takes(app, box) == [("greeting", 3000)]


# -- the name ----------------------------------------------------------------------------------------------------------


async def test_recorded_name_belongs_to_owner(app: AppFixture, box: Mailbox) -> None:
    phone = await record_greeting(app, Speak(1000), press_in_review("1"), key="2")
    assert phone.texts[2] == "After the tone, please say your name. Press any key when you have finished."
    alice = await app.container.directory.user(app.alice.id)
    changed = await app.container.boxes.get(box.id)
    assert changed.settings.media.name is None
    assert alice.settings["media"]["name"]
    name = await app.container.voicemail_services.greetings.find_name(changed)
    assert name
    assert name.length_ms == 1000


# -- the temporary greeting --------------------------------------------------------------------------------------------


async def test_temporary_greeting_ends_with_its_last_day(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(2000), press_in_review("1"))
    phone = await record_greeting(
        app, Speak(3000), press_in_review("1"), Press("3#", during=DAYS), *CALL_START, key="4"
    )
    assert phone.texts[5].startswith(DAYS)
    assert phone.texts[6] == "Saved. Your temporary greeting is in use through Thursday May twelfth"
    assert await greeting_ms(app, box) == 3000
    assert (await call_own_box(app)).texts[0] == "Your temporary greeting is in use through Thursday May twelfth"
    app.clock.advance(s=2 * 86_400)
    assert (await call_own_box(app)).texts[0] == "Your temporary greeting is in use through today"
    app.clock.advance(s=12 * 3600)
    assert (await call_own_box(app)).texts[0] == MAIN
    assert await greeting_ms(app, box) == 2000


async def test_temporary_greeting_duration_pound_means_no_end(app: AppFixture, box: Mailbox) -> None:
    phone = await record_greeting(app, Speak(3000), press_in_review("1"), Press("#", during=DAYS), key="4")
    assert phone.texts[6] == "Saved. Your temporary greeting is in use."
    app.clock.advance(s=400 * 86_400)
    assert await greeting_ms(app, box) == 3000
    assert (await call_own_box(app)).texts[0] == "Your temporary greeting is in use."


@pytest.mark.parametrize("typed", ["0#", "366", "999"])
async def test_invalid_duration_is_asked_again(app: AppFixture, box: Mailbox, typed: str) -> None:
    script = [Press(typed, during=DAYS), Press("365", during=DAYS)]
    phone = await record_greeting(app, Speak(3000), press_in_review("1"), *script, key="4")
    assert phone.texts[6] == "That entry is not valid."
    assert (await app.container.boxes.get(box.id)).settings.media.temporary_until


async def test_missing_duration_activates_nothing(app: AppFixture, box: Mailbox) -> None:
    phone = await record_greeting(app, Speak(3000), press_in_review("1"), *[Silence()] * 3, key="4")
    assert phone.texts[10:12] == ["That entry is not valid.", OFFERED_LATER]
    assert await greeting_ms(app, box) is None
    assert await suspended_takes(app, box) == [("temporary", 3000)]


async def test_hangup_at_duration_prompt_leaves_pending_greeting(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(3000), press_in_review("1"), HangUp(during=DAYS), key="4")
    assert await greeting_ms(app, box) is None
    phone = await call_own_box(app, press_in_review("1"), Press("1#", during=DAYS))
    assert phone.texts[0].startswith("The temporary greeting that you recorded")
    assert "Saved. Your temporary greeting is in use through today" in phone.texts
    assert await greeting_ms(app, box) == 3000


async def test_key_interrupting_login_announcement_is_kept(app: AppFixture, box: Mailbox) -> None:
    await record_greeting(app, Speak(3000), press_in_review("1"), Press("#", during=DAYS), key="4")
    phone = await call_own_box(app, Press("#", during="Your temporary greeting"))
    assert phone.texts == ["Your temporary greeting is in use.", "Goodbye."]


async def test_greeting_recording_steps_are_in_call_record(app: AppFixture, box: Mailbox) -> None:
    phone = await record_greeting(app, Speak(3000), press_in_review("1"))
    media = (await app.container.boxes.get(box.id)).settings.media.unavailable
    assert {"what": "in use", "media": media, "kind": "unavailable"} in [
        {"what": step.event, **step.details} for step in phone.journal.entries
    ]


async def test_key_7_in_caller_review_discards_nothing(app: AppFixture, box: Mailbox) -> None:
    script: list[ScriptStep] = [Speak(3000), Press("7", during="To keep"), Press("1", during="To keep")]
    phone = await app.run_call(script, path="leave", number="1000")
    assert "That entry is not valid." in phone.texts
    assert len(await app.messages(box)) == 1
