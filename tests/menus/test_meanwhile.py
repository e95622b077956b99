"""What others do while somebody is in a call: other doors, other phones, an administrator, a disk that loses files."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from ivr.audio import wav
from ivr.call.scripted import HangUp, Meanwhile, Press, ScriptedCall, Speak, Step
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Caller, Folder, Message
from ivr.mailbox.sqlite import counters, rows
from ivr.mailbox.store import Because
from tests.support.house import House

GONE = "This message is no longer here."
NO_BOX = "I am sorry, the person you are calling is not available, and does not have voicemail."


@pytest.fixture
async def box(house: House) -> Mailbox:
    return await house.box("1000", owner=house.alice)


def audio(message: Message) -> str:
    return f"(message {message.id})"


async def listen(house: House, *script: Step, **how: Any) -> ScriptedCall:
    """Alice's call on her own phone. Nothing that happens in it is a defect of ours."""
    with structlog.testing.capture_logs() as logs:
        phone = await house.call(script, endpoint="alice", number="1000", **how)
    assert [line for line in logs if line["event"] == "call.broke"] == []
    return phone


# -- a message that somebody else takes away while it plays ------------------------------------------------------------


@pytest.mark.parametrize("key", ["1", "3", "7"])
async def test_a_message_that_is_removed_while_it_plays(house: House, box: Mailbox, key: str) -> None:
    await house.box("1001", owner=house.bob)
    first, second = await house.message(box, age_s=60), await house.message(box, age_s=7200)
    vanishes = Meanwhile(audio(first), lambda: house.app.messages.remove(box.id, [first.id]))
    typed = "31001#" if key == "3" else key
    phone = await listen(house, vanishes, Press(typed, during=audio(first)), HangUp(during=audio(second)))
    after = phone.texts[phone.texts.index(audio(first)) + 1 :]
    assert GONE in after
    assert after[-1] == audio(second), "and the next one is heard"
    assert await house.folder_of(second) == "new"


@pytest.mark.parametrize("key", ["1", "7"])
async def test_a_message_that_is_moved_to_another_box_while_it_plays(house: House, box: Mailbox, key: str) -> None:
    other = await house.box("1001", owner=house.bob)
    message = await house.message(box)
    moved = Meanwhile(audio(message), lambda: house.app.delivery.move(message, other))
    phone = await listen(house, moved, Press(key, during=audio(message)))
    assert GONE in phone.texts
    assert [m.folder for m in await house.messages(other)] == ["new"], "where it is now, nothing happened to it"


@pytest.mark.parametrize(("folder", "key", "ends_in"), [("saved", "7", "deleted"), ("deleted", "1", "saved")])
async def test_a_message_that_is_moved_to_another_folder_while_it_plays(
    house: House, box: Mailbox, folder: str, key: str, ends_in: str
) -> None:
    """The owner's key still does what it says."""
    message = await house.message(box)
    moved = Meanwhile(
        audio(message), lambda: house.app.messages.move_to(box.id, message.id, Folder(folder), Because.REQUEST)
    )
    await listen(house, moved, Press(key, during=audio(message)))
    assert await house.folder_of(message) == ends_in


# -- a message without its audio ---------------------------------------------------------------------------------------


async def test_a_message_whose_audio_is_gone_is_not_forwarded(house: House, box: Mailbox) -> None:
    other = await house.box("1001", owner=house.bob)
    message = await house.message(box)
    [path] = house.app.delivery.audio(message)
    path.unlink()
    phone = await listen(house, Press("31001#", during=audio(message)), Press("0"), HangUp(during="To leave"))
    assert GONE in phone.texts
    assert await house.messages(other) == []
    assert await house.folder_of(message) == "new"


# -- a box that an administrator takes away in mid-call ----------------------------------------------------------------


async def test_a_box_deleted_while_its_owner_listens(house: House, box: Mailbox) -> None:
    message = await house.message(box)
    await house.message(box, age_s=7200)
    deleted = Meanwhile(audio(message), lambda: house.app.boxes.delete(box))
    phone = await listen(house, deleted, Press("7", during=audio(message)), Press("#", during="To leave"))
    assert phone.texts[phone.texts.index(audio(message)) + 1] == GONE
    assert phone.texts[-1] == "Goodbye."
    assert phone.status == "DONE"


async def test_a_box_deleted_while_its_owner_is_at_the_main_menu(house: House, box: Mailbox) -> None:
    await house.message(box, folder="saved")
    deleted = Meanwhile("You have", lambda: house.app.boxes.delete(box))
    phone = await listen(house, deleted, Press("2", during="To leave"), Press("#", during="To leave"))
    assert "You have no messages." in phone.texts
    assert phone.texts[-1] == "Goodbye."


async def test_a_box_deleted_while_a_caller_talks(house: House, box: Mailbox) -> None:
    """They are told that nobody will hear it; nothing is left over that every start would try again."""
    deleted = Meanwhile("beep", lambda: house.app.boxes.delete(box))
    with structlog.testing.capture_logs() as logs:
        phone = await house.call([deleted, Speak(3000), Press("1")], path="leave", number="1000")
    assert [line for line in logs if line["event"] == "call.broke"] == []
    assert phone.texts[-1] == NO_BOX
    assert await house.app.mailroom.takes.left_behind() == []
    assert list(house.settings.data.folder.glob("*/vm/*")) == [], "what they said is kept nowhere"


async def test_a_box_deleted_before_an_owner_forwards_to_it(house: House, box: Mailbox) -> None:
    other = await house.box("1001", owner=house.bob)
    message = await house.message(box)
    deleted = Meanwhile(audio(message), lambda: house.app.boxes.delete(other))
    phone = await listen(house, deleted, Press("31001#", during=audio(message)), HangUp(during="To forward"))
    assert "Message forwarded." not in phone.texts
    assert await house.folder_of(message) == "new"


# -- many at once ------------------------------------------------------------------------------------------------------


async def test_two_phones_in_one_box_do_different_things(house: House, box: Mailbox) -> None:
    """Both hear the same messages; the later key counts, and what the other has done with is passed over."""
    first, second, third = [await house.message(box, age_s=60 * n) for n in (1, 2, 3)]
    inner: list[ScriptedCall] = []

    async def other_phone() -> None:
        script: list[Step] = [
            Press("7", during=audio(first)),
            Press("1", during=audio(second)),
            HangUp(during=audio(third)),
        ]
        inner.append(await house.call(script, endpoint="alice", number="1000"))

    phone = await listen(
        house, Meanwhile(audio(first), other_phone), Press("1", during=audio(first)),
        HangUp(during=audio(third)),
    )  # fmt: skip
    assert [text for text in inner[0].texts if text.startswith("(")] == [audio(m) for m in (first, second, third)]
    assert [text for text in phone.texts if text.startswith("(")] == [audio(first), audio(third)]
    assert [await house.folder_of(m) for m in (first, second, third)] == ["saved", "saved", "new"]
    counts = await house.app.messages.counts(box.id)
    assert (counts.new, counts.saved, counts.deleted) == (1, 2, 0)


async def test_five_callers_leave_messages_while_the_owner_deletes(house: House, box: Mailbox) -> None:
    old = [await house.message(box, age_s=60 * n) for n in range(1, 6)]
    calls: list[asyncio.Task[ScriptedCall]] = []

    async def callers_dial() -> None:
        for n in range(5):
            leaves = house.call([Speak(1000 + 500 * n, "hang-up")], path="leave", number="1000", caller=f"200{n}")
            calls.append(asyncio.create_task(leaves))

    deletes = [Press("7", during="(message")] * 5
    await listen(house, Meanwhile(audio(old[0]), callers_dial), *deletes)
    await asyncio.gather(*calls)
    assert [await house.folder_of(message) for message in old] == ["deleted"] * 5
    left = [m for m in await house.messages(box) if m.folder == "new"]
    said = [(f"200{n}", 1000 + 500 * n) for n in range(5)]
    assert sorted((m.caller.number, m.length_ms) for m in left) == said
    files = [(m.caller.number, wav.length_ms(house.app.delivery.audio(m)[0])) for m in left]
    assert sorted(files) == said, "each holds what its own caller said: no two said as much"
    counts = await house.app.messages.counts(box.id)
    assert (counts.new, counts.deleted) == (5, 5)


async def test_an_owner_who_dials_while_a_message_is_synced_hears_of_it(
    house: House, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_is_slow, disk_is_done = threading.Event(), threading.Event()
    adopt = house.app.recordings.adopt

    def slowly(source: Path, target: Path) -> int:
        disk_is_slow.set()
        assert disk_is_done.wait(10)
        return adopt(source, target)

    monkeypatch.setattr(house.app.recordings, "adopt", slowly)
    leaves = asyncio.create_task(house.call([Speak(2000, "hang-up")], path="leave", number="1000"))
    assert await asyncio.to_thread(disk_is_slow.wait, 10)
    signs_in = asyncio.create_task(listen(house, HangUp(during="You have")))
    await asyncio.wait({signs_in}, timeout=0.1)
    disk_is_done.set()
    phone = await signs_in
    await leaves
    assert "You have one new message" in phone.texts


async def test_an_owner_does_not_wait_for_ever_for_a_disk_that_hangs(house: House, box: Mailbox) -> None:
    with house.app.delivery.arriving.into(box.id):
        phone = await listen(house, HangUp(during="You have"))
    assert phone.texts[0].startswith("You have no")


# -- a hundred thousand messages ---------------------------------------------------------------------------------------

MANY = 100_000
BATCH = 20_000


async def put_many(house: House, box: Mailbox) -> list[str]:
    """A box of 100,000 new messages, a minute apart, made by the store's own statements; their ids, newest first."""
    now, ids = int(house.clock.now()), []
    for first in range(0, MANY, BATCH):
        batch = [
            Message(
                id=f"201605-{n:032x}", account_id=box.account_id, box_id=box.id, folder=Folder.NEW,
                time=now - 60 - 60 * n, length_ms=5000, bytes=80_044, caller=Caller("2001"),
            )
            for n in range(first, first + BATCH)
        ]  # fmt: skip
        await house.app.database.write(partial(_insert, batch, now))
        ids += [message.id for message in batch]
    return ids


def _insert(batch: list[Message], now: int, connection: Any) -> None:
    arrival = rows.next_arrival(connection, batch[0].account_id)
    for message in batch:
        rows.insert(connection, message, arrival, now)
    counters.add(
        connection, batch[0].account_id, batch[0].box_id, Folder.NEW, len(batch), 80_044 * len(batch), urgent=False
    )


async def test_a_box_of_a_hundred_thousand_messages(house: House, box: Mailbox) -> None:
    ids = await put_many(house, box)
    heard = [f"(message {message_id})" for message_id in ids[:3]]
    phone = await listen(
        house, Press("7", during=heard[0]), Press("1", during=heard[1]), Press("4", during=heard[2]),
        Press("0", during=heard[1]), Press("2", during="To leave"), HangUp(during=heard[1]),
    )  # fmt: skip
    assert "You have one hundred thousand new messages" in phone.texts
    assert [text for text in phone.texts if text.startswith("(")] == [*heard, heard[1], heard[1]]
    counts = await house.app.messages.counts(box.id)
    assert (counts.new, counts.saved, counts.deleted) == (MANY - 2, 1, 1)
    assert len(await house.app.messages.page(box.id, None, 0, ids[50_000], 50)) == 50
