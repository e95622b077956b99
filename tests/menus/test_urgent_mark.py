"""Marking a message urgent in the review."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import TakeSource
from ivr.storage.records import Caller, Take
from tests.mailbox.test_delivery import run_recovery
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Meanwhile, Press, ScriptedCall, ScriptStep, Silence, Speak
from tests.support.speech import speech_pcm

REVIEW = "To keep this recording"
MARKED_URGENT = "Marked urgent."
NOT_URGENT = "No longer marked urgent."


async def leave_message(app: AppFixture, *script: ScriptStep) -> ScriptedCall:
    return await app.run_call(script, path="leave", number="1000")


async def urgent_flags(app: AppFixture, box: Mailbox) -> list[bool]:
    return [message.urgent for message in await app.messages(box)]


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box()


@pytest.mark.both_engines
async def test_key_4_marks_message_urgent(app: AppFixture, box: Mailbox) -> None:
    phone = await leave_message(app, Speak(3000), Press("4", during=REVIEW), Press("1", during=REVIEW))
    assert MARKED_URGENT in phone.texts
    assert await urgent_flags(app, box) == [True]


async def test_second_key_4_removes_urgent_mark(app: AppFixture, box: Mailbox) -> None:
    phone = await leave_message(app, Speak(3000), *[Press("4", during=REVIEW)] * 2, Press("1", during=REVIEW))
    assert [text for text in phone.texts if "urgent." in text] == [MARKED_URGENT, NOT_URGENT]
    assert await urgent_flags(app, box) == [False]


async def test_review_prompt_reflects_urgent_mark(app: AppFixture, box: Mailbox) -> None:
    phone = await leave_message(app, Speak(3000), *[Press("4", during=REVIEW)] * 2, HangUp(during=REVIEW))
    last_options = [text.rsplit("again, press three. ")[1] for text in phone.texts if REVIEW in text]
    mark, unmark = "To mark it urgent, press four.", "To take the urgent mark away, press four."
    assert last_options == [mark, unmark, mark]


async def test_urgent_mark_survives_hangup(app: AppFixture, box: Mailbox) -> None:
    await leave_message(app, Speak(3000), Press("4", during=REVIEW), HangUp(during=REVIEW))
    assert await urgent_flags(app, box) == [True]


async def test_urgent_mark_survives_second_take(app: AppFixture, box: Mailbox) -> None:
    steps: list[ScriptStep] = [
        Speak(3000),
        Press("4", during=REVIEW),
        Press("3", during=REVIEW),
        Speak(4000, then="hang-up"),
    ]
    await leave_message(app, *steps)
    assert [(m.urgent, m.length_ms) for m in await app.messages(box)] == [(True, 4000)]


async def test_urgent_mark_survives_crash(app: AppFixture, box: Mailbox) -> None:
    """The mark is stored in the take, so the message recovered at the next start is urgent too."""
    takes: list[Take] = []

    async def look() -> None:
        takes.extend(await app.container.voicemail_services.takes.list_unfinished())

    await leave_message(
        app, Speak(3000), Press("4", during=REVIEW), Meanwhile(MARKED_URGENT, look), HangUp(during=REVIEW)
    )
    [take] = takes
    assert take.payload
    assert take.payload["urgent"] is True
    await app.container.messages.soft_delete(box.id, [message.id for message in await app.messages(box)])
    payload = {**take.payload, "message_id": "201605-" + "1" * 32}
    again = await app.container.voicemail_services.takes.begin(
        box.account_id, box.id, take.purpose, TakeSource("PJSIP/x-1", "2.2", Caller("2001")), payload
    )
    app.container.recordings.write(speech_pcm(2000), app.container.recordings.take_path(again.id))
    await run_recovery(app)
    assert await urgent_flags(app, box) == [True]


async def test_urgent_messages_are_played_first(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice)
    await leave_message(app, Speak(3000), Press("4", during=REVIEW), Press("1", during=REVIEW))
    app.clock.advance(s=60)
    await app.create_message(box, s=2, age_s=0)
    phone = await app.run_call([Silence()] * 2, endpoint="alice", number="1000")
    assert next(text for text in phone.texts if "essage one" in text) == "Urgent message one"


async def test_urgent_mark_can_be_disabled_by_box(app: AppFixture) -> None:
    box = await app.create_box(callers_may_mark_urgent=False)
    phone = await leave_message(app, Speak(3000), Press("4", during=REVIEW), Press("1", during=REVIEW))
    assert "urgent" not in " ".join(phone.texts)
    assert "That entry is not valid." in phone.texts
    assert await urgent_flags(app, box) == [False]


async def test_urgent_mark_resets_review_rounds(app: AppFixture, box: Mailbox) -> None:
    silent: list[Any] = [Silence()] * 3
    phone = await leave_message(
        app, Speak(3000), *silent, Press("4", during=REVIEW), *silent, Press("1", during=REVIEW)
    )
    assert sum(REVIEW in text for text in phone.texts) == 8


async def test_failed_urgent_mark_is_announced_without_loss(app: AppFixture, box: Mailbox) -> None:
    other = sqlite3.connect(app.settings.data.folder / "state" / "ivr.db", isolation_level=None)

    async def lock() -> None:
        other.execute("BEGIN IMMEDIATE")

    async def unlock() -> None:
        other.execute("ROLLBACK")

    sorry = "I am sorry, that could not be done. Nothing was lost."
    steps: list[ScriptStep] = [
        Speak(3000),
        Meanwhile(REVIEW, lock),
        Press("4", during=REVIEW),
        Meanwhile(sorry, unlock),
    ]
    phone = await leave_message(app, *steps, Press("1", during=REVIEW))
    other.close()
    assert sorry in phone.texts
    assert await urgent_flags(app, box) == [False]
