"""Leaving a message: greeting, beep, recording, review; what was said is kept."""

from __future__ import annotations

from typing import Any

import pytest

from ivr.audio import wav
from ivr.call.scripted import HangUp, Press, ScriptedCall, Silence, Speak, Step
from ivr.mailbox.mailbox import Mailbox
from tests.support.house import House

GREETING = "The person at extension one zero zero zero is not available."
INSTRUCTIONS = "Please leave your message after the tone. When you have finished, hang up, or press any key."
BEEP = "(beep)"
REVIEW = (
    "To keep this recording, press one. To listen to it, press two. To record it again, press three."
    " To mark it urgent, press four."
)
SAVED = "Your message has been saved. Thank you. Goodbye."


async def leave(house: House, *script: Step, **how: str) -> ScriptedCall:
    return await house.call(script, path="leave", number="1000", caller="2001", **how)


@pytest.fixture
async def box(house: House) -> Mailbox:
    return await house.box("1000")


async def test_greeting_beep_and_a_hang_up_keeps_it(house: House, box: Mailbox) -> None:
    phone = await leave(house, Speak(3000, then="hang-up"))
    assert phone.texts == [GREETING, INSTRUCTIONS, BEEP]
    [message] = await house.messages(box)
    assert (message.folder, message.length_ms, message.caller.number) == ("new", 3000, "2001")
    assert wav.length_ms(house.app.recordings.message(box.account_id, message.id)) == 3000
    assert phone.status == "HANGUP"


async def test_its_take_is_gone_then(house: House, box: Mailbox) -> None:
    await leave(house, Speak(3000, then="hang-up"))
    assert await house.app.mailroom.takes.left_behind() == []
    assert list(house.app.recordings.takes.iterdir()) == []


async def test_a_key_cuts_the_greeting(house: House, box: Mailbox) -> None:
    phone = await leave(house, Press("1", after_ms=500), Speak(3000, then="hang-up"))
    assert phone.texts == [GREETING, BEEP]


async def test_keys_in_the_beep_are_ignored(house: House, box: Mailbox) -> None:
    phone = await leave(house, Press("1", during=BEEP), Speak(3000, then="hang-up"))
    assert phone.texts == [GREETING, INSTRUCTIONS, BEEP]
    assert len(await house.messages(box)) == 1


@pytest.mark.parametrize(
    ("settings", "heard"),
    [({"skip_greeting": True}, [INSTRUCTIONS, BEEP]), ({"skip_instructions": True}, [GREETING, BEEP]),
     ({"skip_greeting": True, "skip_instructions": True}, [BEEP])],
)  # fmt: skip
async def test_greeting_and_instructions_can_be_left_out(
    house: House, settings: dict[str, Any], heard: list[str]
) -> None:
    await house.box("1000", **settings)
    assert (await leave(house, Speak(3000, then="hang-up"))).texts == heard


async def test_saved_in_the_review(house: House, box: Mailbox) -> None:
    phone = await leave(house, Speak(3000), Press("1"))
    assert phone.texts[3:] == [REVIEW, SAVED]
    assert len(await house.messages(box)) == 1
    assert phone.status == "DONE"


async def test_listened_to_in_the_review(house: House, box: Mailbox) -> None:
    phone = await leave(house, Speak(3000), Press("2"), Press("1", during="To keep"))
    assert phone.texts[3:] == [REVIEW, "(your recording)", REVIEW, SAVED]


async def test_recorded_again_only_the_last_take_counts(house: House, box: Mailbox) -> None:
    await leave(house, Speak(3000), Press("3"), Speak(4000), Press("1"))
    assert [message.length_ms for message in await house.messages(box)] == [4000]
    assert list(house.app.recordings.takes.iterdir()) == []


async def test_silence_in_the_review_keeps_it(house: House, box: Mailbox) -> None:
    phone = await leave(house, Speak(3000), *[Silence()] * 4)
    assert phone.texts.count(REVIEW) == 4
    assert phone.texts[-1] == SAVED
    assert len(await house.messages(box)) == 1


async def test_hanging_up_in_the_review_keeps_it(house: House, box: Mailbox) -> None:
    await leave(house, Speak(3000), HangUp(during="To keep"))
    assert len(await house.messages(box)) == 1


async def test_hanging_up_in_the_beep_of_a_second_take_keeps_nothing(house: House, box: Mailbox) -> None:
    """The first was given up, the second never begun."""
    await leave(house, Speak(3000), Press("3"), HangUp(during=BEEP))
    assert await house.messages(box) == []
    assert await house.app.mailroom.takes.left_behind() == []


@pytest.mark.parametrize("then", ["key", "silence"])
async def test_too_short_is_said_and_not_kept(house: House, box: Mailbox, then: str) -> None:
    phone = await leave(house, Speak(400, then=then))
    assert phone.texts[3:] == ["The recording was too short to be kept. Goodbye."]
    assert await house.messages(box) == []
    assert list(house.app.recordings.takes.iterdir()) == []


@pytest.mark.parametrize(("asked", "own", "longest"), [("10", 20, 10_000), ("", 20, 20_000), ("", None, 500_000)])
async def test_how_long_one_may_talk_is_said_by_the_call_then_the_box_then_the_system(
    house: House, asked: str, own: int | None, longest: int
) -> None:
    box = await house.box("1000", max_message_length=own)
    await leave(house, Speak(600_000, then="silence"), Press("1"), **({"max_message_length": asked} if asked else {}))
    assert [message.length_ms for message in await house.messages(box)] == [longest]


async def test_the_addresses_of_a_message_have_the_realm(house: House, box: Mailbox) -> None:
    await leave(house, Speak(3000, then="hang-up"))
    [message] = await house.messages(box)
    assert (message.from_uri, message.to_uri, message.call_id) == ("2001@demo.example", "1000@demo.example", "1.1")


async def test_what_must_follow_a_message_is_written_with_it(house: House, box: Mailbox) -> None:
    await leave(house, Speak(3000, then="hang-up"))
    [message] = await house.messages(box)
    rows = await house.app.database.read(
        lambda c: c.execute("SELECT kind, message_id FROM outbox ORDER BY kind").fetchall()
    )
    assert [tuple(row) for row in rows] == [("light", None), ("new", message.id)]


@pytest.mark.parametrize(("own", "system", "ends_ms"), [(None, 5, 5000), (None, 7, 7000), (2, 5, 2000), (0, 5, 0)])
async def test_how_much_silence_ends_it_is_said_by_the_box_then_the_system(
    house: House, own: int | None, system: int, ends_ms: int
) -> None:
    """A silence hit is a second; none is no end."""
    await house.app.directory.update_account(house.account.model_copy(update={"settings": {"silence_hits": system}}))
    await house.box("1000", silence_hits=own, silence_threshold=200)
    phone = await leave(house, Speak(3000, then="hang-up"))
    assert [step.details["silence_ms"] for step in phone.journal.steps if step.what == "recording"] == [ends_ms]


async def test_too_short_is_no_message_to_the_dialplan_either(house: House, box: Mailbox) -> None:
    assert (await leave(house, Speak(400))).status == "NOMESSAGE"


@pytest.mark.parametrize("extension", ["mp3", "mp4", "wav"])
async def test_a_recording_is_kept_as_wav_whatever_is_delivered(house: House, extension: str) -> None:
    box = await house.box("1000", media_extension=extension)
    await leave(house, Speak(3000, then="hang-up"))
    [message] = await house.messages(box)
    assert house.app.delivery.audio(message)[0].read_bytes()[:44] == wav.header(48_000)


async def test_the_key_that_ends_it_is_no_choice_of_the_review(house: House, box: Mailbox) -> None:
    phone = await leave(house, Speak(3000, then="key"), HangUp(during="To keep"))
    assert phone.texts[3:] == [REVIEW]
