"""Marking a message urgent in the review."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from ivr.call.scripted import HangUp, Meanwhile, Press, ScriptedCall, Silence, Speak, Step
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Caller
from ivr.mailbox.store import Take
from ivr.mailbox.takes import Source
from tests.mailbox.test_delivery import adopt
from tests.support.house import House

REVIEW = "To keep this recording"
MARKED = "Marked urgent."
NO_LONGER = "No longer marked urgent."


async def leave(house: House, *script: Step) -> ScriptedCall:
    return await house.call(script, path="leave", number="1000")


async def urgency(house: House, box: Mailbox) -> list[bool]:
    return [message.urgent for message in await house.messages(box)]


@pytest.fixture
async def box(house: House) -> Mailbox:
    return await house.box()


async def test_four_marks_it_urgent(house: House, box: Mailbox) -> None:
    phone = await leave(house, Speak(3000), Press("4", during=REVIEW), Press("1", during=REVIEW))
    assert MARKED in phone.texts
    assert await urgency(house, box) == [True]


async def test_four_again_takes_the_mark_away(house: House, box: Mailbox) -> None:
    phone = await leave(house, Speak(3000), *[Press("4", during=REVIEW)] * 2, Press("1", during=REVIEW))
    assert [text for text in phone.texts if "urgent." in text] == [MARKED, NO_LONGER]
    assert await urgency(house, box) == [False]


async def test_what_is_said_follows_the_mark(house: House, box: Mailbox) -> None:
    phone = await leave(house, Speak(3000), *[Press("4", during=REVIEW)] * 2, HangUp(during=REVIEW))
    said = [text.rsplit("again, press three. ")[1] for text in phone.texts if REVIEW in text]
    mark, unmark = "To mark it urgent, press four.", "To take the urgent mark away, press four."
    assert said == [mark, unmark, mark]


async def test_the_mark_outlives_a_hang_up(house: House, box: Mailbox) -> None:
    await leave(house, Speak(3000), Press("4", during=REVIEW), HangUp(during=REVIEW))
    assert await urgency(house, box) == [True]


async def test_and_a_second_take(house: House, box: Mailbox) -> None:
    steps: list[Step] = [Speak(3000), Press("4", during=REVIEW), Press("3", during=REVIEW), Speak(4000, then="hang-up")]
    await leave(house, *steps)
    assert [(m.urgent, m.length_ms) for m in await house.messages(box)] == [(True, 4000)]


async def test_and_a_crash(house: House, box: Mailbox) -> None:
    """The take carries it: what is adopted at the next start is urgent too."""
    takes: list[Take] = []

    async def look() -> None:
        takes.extend(await house.app.mailroom.takes.left_behind())

    await leave(house, Speak(3000), Press("4", during=REVIEW), Meanwhile(MARKED, look), HangUp(during=REVIEW))
    [take] = takes
    assert take.payload
    assert take.payload["urgent"] is True
    await house.app.messages.remove(box.id, [message.id for message in await house.messages(box)])
    payload = {**take.payload, "message_id": "201605-" + "1" * 32}
    again = await house.app.mailroom.takes.begin(
        box.account_id, box.id, take.purpose, Source("PJSIP/x-1", "2.2", Caller("2001")), payload
    )
    house.app.recordings.write(b"\x01\x02" * 16_000, house.app.recordings.take(again.id))
    await adopt(house)
    assert await urgency(house, box) == [True]


async def test_urgent_ones_are_heard_first(house: House) -> None:
    box = await house.box(owner=house.alice)
    await leave(house, Speak(3000), Press("4", during=REVIEW), Press("1", during=REVIEW))
    house.clock.advance(s=60)
    await house.message(box, s=2, age_s=0)
    phone = await house.call([Silence()] * 2, endpoint="alice", number="1000")
    assert next(text for text in phone.texts if "essage one" in text) == "Urgent message one"


async def test_a_box_may_not_want_it(house: House) -> None:
    box = await house.box(callers_may_mark_urgent=False)
    phone = await leave(house, Speak(3000), Press("4", during=REVIEW), Press("1", during=REVIEW))
    assert "urgent" not in " ".join(phone.texts)
    assert "That entry is not valid." in phone.texts
    assert await urgency(house, box) == [False]


async def test_marking_begins_the_rounds_anew(house: House, box: Mailbox) -> None:
    silent: list[Any] = [Silence()] * 3
    phone = await leave(house, Speak(3000), *silent, Press("4", during=REVIEW), *silent, Press("1", during=REVIEW))
    assert sum(REVIEW in text for text in phone.texts) == 8


async def test_a_mark_that_cannot_be_kept_is_told_and_nothing_is_lost(house: House, box: Mailbox) -> None:
    other = sqlite3.connect(house.settings.data.folder / "ivr.db", isolation_level=None)

    async def lock() -> None:
        other.execute("BEGIN IMMEDIATE")

    async def unlock() -> None:
        other.execute("ROLLBACK")

    sorry = "I am sorry, that could not be done. Nothing was lost."
    steps: list[Step] = [Speak(3000), Meanwhile(REVIEW, lock), Press("4", during=REVIEW), Meanwhile(sorry, unlock)]
    phone = await leave(house, *steps, Press("1", during=REVIEW))
    other.close()
    assert sorry in phone.texts
    assert await urgency(house, box) == [False]
