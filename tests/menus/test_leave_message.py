"""Leaving a message: greeting, beep, recording, review, delivery."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.audio import wav
from ivr.mailbox.mailbox import Mailbox
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptedCall, ScriptStep, Silence, Speak

GREETING = "The person at extension one zero zero zero is not available."
INSTRUCTIONS = "Please leave your message after the tone. When you have finished, hang up, or press any key."
BEEP = "(beep)"
REVIEW = (
    "To keep this recording, press one. To listen to it, press two. To record it again, press three."
    " To mark it urgent, press four."
)
SAVED = "Your message has been saved. Thank you. Goodbye."


async def leave_message(app: AppFixture, *script: ScriptStep, **options: str) -> ScriptedCall:
    return await app.run_call(script, path="leave", number="1000", caller="2001", **options)


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000")


@pytest.mark.both_engines
async def test_message_ended_by_hangup_is_saved(app: AppFixture, box: Mailbox) -> None:
    phone = await leave_message(app, Speak(3000, then="hang-up"))
    assert phone.texts == [GREETING, INSTRUCTIONS, BEEP]
    [message] = await app.messages(box)
    assert (message.folder, message.length_ms, message.caller.number) == ("new", 3000, "2001")
    assert wav.length_ms(app.container.recordings.message_path(box.account_id, message.id)) == 3000
    assert phone.status == "HANGUP"


async def test_take_is_removed_after_delivery(app: AppFixture, box: Mailbox) -> None:
    await leave_message(app, Speak(3000, then="hang-up"))
    assert await app.container.voicemail_services.takes.list_unfinished() == []
    assert list(app.container.recordings.takes_folder.iterdir()) == []


async def test_key_skips_greeting(app: AppFixture, box: Mailbox) -> None:
    phone = await leave_message(app, Press("1", after_ms=500), Speak(3000, then="hang-up"))
    assert phone.texts == [GREETING, BEEP]


async def test_keys_during_beep_are_ignored(app: AppFixture, box: Mailbox) -> None:
    phone = await leave_message(app, Press("1", during=BEEP), Speak(3000, then="hang-up"))
    assert phone.texts == [GREETING, INSTRUCTIONS, BEEP]
    assert len(await app.messages(box)) == 1


@pytest.mark.parametrize(
    ("settings", "heard"),
    [({"skip_greeting": True}, [INSTRUCTIONS, BEEP]), ({"skip_instructions": True}, [GREETING, BEEP]),
     ({"skip_greeting": True, "skip_instructions": True}, [BEEP])],
)  # fmt: skip
async def test_greeting_and_instructions_can_be_skipped(
    app: AppFixture, settings: dict[str, Any], heard: list[str]
) -> None:
    await app.create_box("1000", **settings)
    assert (await leave_message(app, Speak(3000, then="hang-up"))).texts == heard


async def test_review_key_saves_message(app: AppFixture, box: Mailbox) -> None:
    phone = await leave_message(app, Speak(3000), Press("1"))
    assert phone.texts[3:] == [REVIEW, SAVED]
    assert len(await app.messages(box)) == 1
    assert phone.status == "DONE"


async def test_review_key_plays_message_back(app: AppFixture, box: Mailbox) -> None:
    phone = await leave_message(app, Speak(3000), Press("2"), Press("1", during="To keep"))
    assert phone.texts[3:] == [REVIEW, "(your recording)", REVIEW, SAVED]


@pytest.mark.both_engines
async def test_rerecorded_message_keeps_only_last_take(app: AppFixture, box: Mailbox) -> None:
    await leave_message(app, Speak(3000), Press("3"), Speak(4000), Press("1"))
    assert [message.length_ms for message in await app.messages(box)] == [4000]
    assert list(app.container.recordings.takes_folder.iterdir()) == []


async def test_review_timeout_saves_message(app: AppFixture, box: Mailbox) -> None:
    phone = await leave_message(app, Speak(3000), *[Silence()] * 4)
    assert phone.texts.count(REVIEW) == 4
    assert phone.texts[-1] == SAVED
    assert len(await app.messages(box)) == 1


async def test_hangup_during_review_saves_message(app: AppFixture, box: Mailbox) -> None:
    await leave_message(app, Speak(3000), HangUp(during="To keep"))
    assert len(await app.messages(box)) == 1


@pytest.mark.parametrize("then", ["key", "silence"])
async def test_too_short_recording_is_announced_and_dropped(app: AppFixture, box: Mailbox, then: str) -> None:
    phone = await leave_message(app, Speak(400, then=then), Speak(300, then=then))
    assert phone.texts[3:] == [
        f"The recording was too short to be kept. {INSTRUCTIONS}", BEEP,
        "The recording was too short to be kept. Goodbye.",
    ]  # fmt: skip
    assert await app.messages(box) == []
    assert list(app.container.recordings.takes_folder.iterdir()) == []


@pytest.mark.parametrize(("requested", "own", "longest"), [("10", 20, 10_000), ("", 20, 20_000), ("", None, 500_000)])
async def test_max_length_is_taken_from_call_then_box_then_system(
    app: AppFixture, requested: str, own: int | None, longest: int
) -> None:
    box = await app.create_box("1000", max_message_length=own)
    await leave_message(
        app, Speak(600_000, then="silence"), Press("1"), **({"max_message_length": requested} if requested else {})
    )
    assert [message.length_ms for message in await app.messages(box)] == [longest]


async def test_message_addresses_include_realm(app: AppFixture, box: Mailbox) -> None:
    await leave_message(app, Speak(3000, then="hang-up"))
    [message] = await app.messages(box)
    assert (message.from_uri, message.to_uri, message.call_id) == ("2001@demo.example", "1000@demo.example", "1.1")


async def test_outbox_events_are_written_with_message(app: AppFixture, box: Mailbox) -> None:
    await leave_message(app, Speak(3000, then="hang-up"))
    [message] = await app.messages(box)
    rows = await app.container.database.read(
        lambda c: c.execute("SELECT kind, message_id FROM outbox ORDER BY kind").fetchall()
    )
    assert [tuple(row) for row in rows] == [("mwi", None), ("new", message.id)]


@pytest.mark.parametrize(("own", "system", "ends_ms"), [(None, 5, 5000), (None, 7, 7000), (2, 5, 2000), (0, 5, 0)])
async def test_silence_timeout_is_taken_from_box_then_system(
    app: AppFixture, own: int | None, system: int, ends_ms: int
) -> None:
    """A silence hit is a second; 0 never ends a recording."""
    await app.container.directory.update_account(app.account.model_copy(update={"settings": {"silence_hits": system}}))
    await app.create_box("1000", silence_hits=own, silence_threshold=200)
    phone = await leave_message(app, Speak(3000, then="hang-up"))
    assert [step.details["silence_ms"] for step in phone.journal.entries if step.event == "recording"] == [ends_ms]


async def test_too_short_recording_sets_no_message_status(app: AppFixture, box: Mailbox) -> None:
    assert (await leave_message(app, Speak(400))).status == "NOMESSAGE"


@pytest.mark.parametrize("extension", ["mp3", "mp4", "wav"])
async def test_recording_is_stored_as_wav_for_every_media_extension(app: AppFixture, extension: str) -> None:
    box = await app.create_box("1000", media_extension=extension)
    await leave_message(app, Speak(3000, then="hang-up"))
    [message] = await app.messages(box)
    assert app.container.delivery.audio_paths(message)[0].read_bytes()[:44] == wav.header(48_000)


async def test_key_ending_recording_is_not_a_review_choice(app: AppFixture, box: Mailbox) -> None:
    phone = await leave_message(app, Speak(3000, then="key"), HangUp(during="To keep"))
    assert phone.texts[3:] == [REVIEW]


# -- recording again ---------------------------------------------------------------------------------------------------


def press_in_review(key: str) -> Press:
    return Press(key, during="To keep this recording", after_ms=400)


@pytest.mark.parametrize("second", [Speak(0, "hang-up"), Speak(300, "hang-up"), HangUp(during="(beep)")])
async def test_hangup_before_second_recording_keeps_first(app: AppFixture, second: ScriptStep) -> None:
    box = await app.create_box()
    await app.run_call([Speak(3000), press_in_review("3"), second], path="leave", number="1000")
    assert [message.length_ms for message in await app.messages(box)] == [3000]
    assert await app.container.voicemail_services.takes.list_unfinished() == []


async def test_hangup_during_second_recording_keeps_second(app: AppFixture) -> None:
    box = await app.create_box()
    await app.run_call([Speak(3000), press_in_review("3"), Speak(2000, "hang-up")], path="leave", number="1000")
    assert [message.length_ms for message in await app.messages(box)] == [2000]
    assert list(app.container.recordings.takes_folder.iterdir()) == []


async def test_second_recording_that_is_too_short_leads_back_to_first(app: AppFixture) -> None:
    box = await app.create_box()
    script: list[ScriptStep] = [Speak(3000), press_in_review("3"), Speak(100), press_in_review("1")]
    phone = await app.run_call(script, path="leave", number="1000")
    assert "The recording was too short to be kept." in phone.texts
    assert "Your message has been saved." in phone.texts[-1]
    assert [message.length_ms for message in await app.messages(box)] == [3000]


async def test_second_recording_that_fails_leaves_first_to_recovery(app: AppFixture) -> None:
    box = await app.create_box()
    await app.run_call([Speak(3000), press_in_review("3"), Speak(0, "failure")], path="leave", number="1000")
    for _ in range(3):
        await app.container.recording_recovery.run_once()
        app.clock.advance(s=5)
    assert [message.length_ms for message in await app.messages(box)] == [3000]


async def test_urgent_mark_of_first_recording_holds_when_second_is_given_up(app: AppFixture) -> None:
    box = await app.create_box()
    script: list[ScriptStep] = [Speak(3000), press_in_review("4"), press_in_review("3"), Speak(0, "hang-up")]
    await app.run_call(script, path="leave", number="1000")
    assert [(message.length_ms, message.urgent) for message in await app.messages(box)] == [(3000, True)]
