"""Gone means gone: what is hidden, what is removed, when, and what stays."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from functools import partial
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from ivr.audio import wav
from ivr.errors import NotFound, PastRetention
from ivr.mailbox.message import Caller, Counts, Folder, Message
from ivr.mailbox.sqlite import sweeping as statements
from ivr.mailbox.sqlite.sweeping import SqliteSweeping
from ivr.mailbox.store import Because, CallRecord, Media, MediaKind, Purpose
from ivr.mailbox.sweeping import inspection, sweeper
from ivr.mailbox.sweeping.rules import STORED, Shelf
from ivr.mailbox.system import DAY_S
from ivr.mailbox.takes import Source
from tests.support.house import House

LATER_S = 3600


async def sweep(house: House) -> None:
    while await house.app.sweeper.turn():
        pass


async def days_pass(house: House, days: float) -> None:
    """The service sweeps every day, and once more an hour later."""
    for _ in range(int(days)):
        house.clock.advance(s=DAY_S)
        await sweep(house)
    house.clock.advance(s=(days - int(days)) * DAY_S + LATER_S)
    await sweep(house)


def audio(house: House, message: Message) -> Path:
    return house.app.delivery.audio(message)[-1]


async def tombstones(house: House) -> list[dict[str, object]]:
    found = await house.app.database.read(lambda c: c.execute("SELECT * FROM tombstones ORDER BY id").fetchall())
    return [dict(row) for row in found]


async def test_past_retention_it_is_hidden_in_boxes_that_nobody_dials_too(house: House) -> None:
    box = await house.box()
    message = await house.message(box, age_s=0)
    await days_pass(house, 93)
    assert await house.app.messages.counts(box.id) == Counts(new=1), "the hour of slack is not over"
    house.clock.advance(s=3600)
    await sweep(house)
    assert await house.app.messages.counts(box.id) == Counts()
    with pytest.raises(PastRetention):
        await house.app.messages.get(box.id, message.id, 0)
    assert audio(house, message).exists(), "hidden, and not removed yet"


async def test_an_account_has_its_own_retention(house: House) -> None:
    account = house.account.model_copy(update={"settings": {"message_retention_duration": 10}})
    house.account = await house.app.directory.update_account(account)
    box = await house.box()
    await house.message(box)
    await days_pass(house, 11)
    assert await house.app.messages.counts(box.id) == Counts()


async def test_thirty_days_after_retention_it_is_removed_for_good(house: House) -> None:
    box = await house.box()
    message = await house.message(box)
    await days_pass(house, 94 + 29)
    assert audio(house, message).exists()
    await days_pass(house, 2)
    assert not audio(house, message).exists()
    with pytest.raises(NotFound):
        await house.app.messages.get(box.id, message.id, 0)


async def test_deleted_messages_go_after_thirty_days_and_seven_more(house: House) -> None:
    box = await house.box()
    message = await house.message(box)
    await days_pass(house, 5)
    await house.app.messages.move_to(box.id, message.id, Folder.DELETED, Because.KEY)
    await days_pass(house, 29)
    assert await house.folder_of(message) == "deleted"
    await days_pass(house, 1)
    assert await house.messages(box) == []
    assert await house.app.messages.counts(box.id) == Counts()
    assert audio(house, message).exists()
    await days_pass(house, 7)
    assert not audio(house, message).exists()


async def test_what_stays_of_a_message_tells_nothing_of_anybody(house: House) -> None:
    box = await house.box()
    message = await house.message(box, caller="5550123")
    await house.app.messages.remove(box.id, [message.id])
    await house.app.database.write(lambda c: c.execute("UPDATE messages SET transcription = 'dear Bob'").rowcount)
    await days_pass(house, 8)
    [stone] = await tombstones(house)
    assert (stone["id"], stone["box_id"], stone["account_id"], stone["kind"]) == (
        message.id, box.id, house.account.id, "message",
    )  # fmt: skip
    assert stone["made_at"]
    assert stone["removed_at"]
    asked = await house.app.database.read(
        lambda c: c.execute("SELECT count(*) FROM outbox WHERE message_id IS NOT NULL").fetchone()[0]
    )
    assert asked == 0


async def test_nothing_of_it_is_left_in_the_file_either(house: House) -> None:
    """SQLite would leave what is deleted lying in the file until something else needs the place."""
    box = await house.box()
    message = await house.message(box, caller="5550123")
    await house.app.database.write(lambda c: c.execute("UPDATE messages SET transcription = 'dear Bob'").rowcount)
    file = house.settings.data.folder / "ivr.db"
    other = sqlite3.connect(file)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"dear Bob" in file.read_bytes()
    await house.app.messages.remove(box.id, [message.id])
    await days_pass(house, 8)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    assert b"dear Bob" not in file.read_bytes()
    assert b"5550123" not in file.read_bytes()


async def test_a_call_waits_for_one_batch_and_not_for_the_sweep(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "BATCH", 5)
    box = await house.box()
    messages = [await house.message(box, s=0.1) for _ in range(30)]
    await house.app.messages.remove(box.id, [message.id for message in messages[1:]])
    house.clock.advance(s=8 * DAY_S)
    sweeping = asyncio.create_task(sweep(house))
    await house.app.messages.move_to(box.id, messages[0].id, Folder.SAVED, Because.KEY)
    assert any(audio(house, message).exists() for message in messages[1:]), "there was much left to do"
    await sweeping


async def test_every_form_of_it_goes(house: House) -> None:
    mine, bobs = await house.box("1000"), await house.box("1001")
    [copy] = await house.app.delivery.copy(await house.message(mine), [bobs])
    await house.app.database.write(lambda c: c.execute("UPDATE messages SET intro_id = ?", ("a" * 32,)).rowcount)
    intro = house.app.recordings.media(copy.account_id, "a" * 32)
    house.app.recordings.write(wav.silence(100), intro)
    cached = audio(house, copy).with_suffix(".mp3")
    cached.touch()
    await house.app.messages.remove(bobs.id, [copy.id])
    await days_pass(house, 8)
    assert [path for path in (audio(house, copy), cached, intro) if path.exists()] == []


async def test_a_forwarded_message_keeps_its_audio_when_the_original_goes(house: House) -> None:
    mine, bobs = await house.box("1000"), await house.box("1001")
    original = await house.message(mine)
    [copy] = await house.app.delivery.copy(original, [bobs])
    assert os.path.samefile(audio(house, original), audio(house, copy))
    await house.app.messages.remove(mine.id, [original.id])
    await days_pass(house, 8)
    assert not audio(house, original).exists()
    assert wav.length_ms(audio(house, copy)) == 5000


async def test_a_crash_between_row_and_file_is_made_up_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    box = await house.box()
    message = await house.message(box)
    await house.app.messages.remove(box.id, [message.id])

    def crash(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(house.app.recordings, "remove_forms", crash)
    house.clock.advance(s=8 * DAY_S)
    with pytest.raises(KeyboardInterrupt):
        await sweep(house)
    assert audio(house, message).exists()
    monkeypatch.undo()
    await sweep(house)
    assert not audio(house, message).exists()
    assert [stone["files"] for stone in await tombstones(house)] == [None]


async def test_a_box_goes_with_its_messages_greetings_and_pin(house: House) -> None:
    box, other = await house.box("1000", owner=house.alice), await house.box("1001")
    message, kept = await house.message(box), await house.message(other)
    greeting = await put_greeting(house, box.id, MediaKind.UNAVAILABLE)
    name = await put_greeting(house, box.id, MediaKind.NAME)
    alice = house.alice.model_copy(update={"settings": {"media": {"name": name.id}}})
    await house.app.directory.update_user(alice)
    await house.app.boxes.delete(box)
    await days_pass(house, 6)
    assert audio(house, message).exists()
    await days_pass(house, 2)
    media = partial(house.app.recordings.media, box.account_id)
    assert not audio(house, message).exists()
    assert not media(greeting.id).exists()
    assert media(name.id).exists(), "it is alice's name, in every box that she has"
    assert audio(house, kept).exists()
    rows = await house.app.database.read(
        lambda c: [c.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("boxes", "secrets", "media")]
    )
    assert rows == [1, 1, 1]


async def put_greeting(house: House, box_id: str, kind: MediaKind, age_s: int = 0) -> Media:
    media = Media(
        id=house.app.delivery._ids.document(), account_id=house.account.id, box_id=box_id, kind=kind, length_ms=100,
        bytes=1644, created_at=int(house.clock.now()) - age_s,
    )  # fmt: skip
    house.app.recordings.write(wav.silence(100), house.app.recordings.media(house.account.id, media.id))
    await house.app.mailroom.greetings._store.add(media)
    return media


async def test_a_greeting_that_was_replaced_goes_and_the_one_in_use_stays(house: House) -> None:
    box = await house.box()
    old, new = [await put_greeting(house, box.id, MediaKind.UNAVAILABLE) for _ in range(2)]
    other = await house.box("1001", greeting_media_id=new.id)
    await house.app.boxes.patch(other, {"name": "uses the greeting of another box"})
    await days_pass(house, 29)
    assert house.app.recordings.media(house.account.id, old.id).exists()
    await days_pass(house, 10)
    assert not house.app.recordings.media(house.account.id, old.id).exists()
    assert house.app.recordings.media(house.account.id, new.id).exists()


async def test_a_greeting_that_its_owner_never_decided_about_goes_after_a_month(house: House) -> None:
    box = await house.box()
    takes = house.app.mailroom.takes
    source = Source("PJSIP/alice-1", "call.1", Caller())
    waiting = await takes.begin(box.account_id, box.id, Purpose.GREETING, source)
    wav.write(Path(waiting.path), wav.silence(2000))
    await takes.put_aside(waiting)
    await days_pass(house, 29)
    assert [take.id for take in await takes.aside(box.id)] == [waiting.id]
    await days_pass(house, 2)
    assert await takes.aside(box.id) == []
    assert not Path(waiting.path).exists()


async def test_records_of_calls_and_wrong_pins_are_forgotten(house: House) -> None:
    box = await house.box(owner=house.alice)
    await house.call(number="1000")
    call = CallRecord("PJSIP/x-1", "5550100", "check", "DONE", int(house.clock.now()), 0, None, None, [])
    await house.app.calls.add(call)
    await days_pass(house, 29)
    question = "SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM failures)"
    assert tuple(await house.app.database.read(lambda c: c.execute(question).fetchone())) == (2, 2)
    await days_pass(house, 1)
    assert tuple(await house.app.database.read(lambda c: c.execute(question).fetchone())) == (0, 0)
    assert box


async def test_more_than_one_turn_can_do_is_done_in_several(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "BATCH", 10)
    box = await house.box()
    messages = [await house.message(box, s=0.1) for _ in range(25)]
    await house.app.messages.remove(box.id, [message.id for message in messages])
    house.clock.advance(s=8 * DAY_S)
    left = []
    while await house.app.sweeper.turn():
        left.append(sum(audio(house, message).exists() for message in messages))
    assert left[:2] == [15, 5]
    assert not any(audio(house, message).exists() for message in messages)


# -- bringing back --------------------------------------------------------------


@pytest.mark.parametrize("folder", ["new", "saved", "deleted"])
async def test_a_soft_deleted_message_can_be_brought_back(house: House, folder: str) -> None:
    box = await house.box()
    message = await house.message(box, folder="saved")
    await house.app.messages.move_to(box.id, message.id, Folder(folder), Because.KEY)
    await house.app.messages.remove(box.id, [message.id])
    await days_pass(house, 6)
    restored = await house.app.messages.bring_back(box.id, message.id, Because.REQUEST)
    assert restored.folder == ("saved" if folder == "deleted" else folder)
    assert await house.app.messages.bytes(box.id) == message.bytes
    assert [m.id for m in await house.messages(box)] == [message.id]
    await days_pass(house, 20)
    assert audio(house, message).exists(), "it is a message like any other again"


async def test_too_late_is_said(house: House) -> None:
    box = await house.box()
    message = await house.message(box)
    await house.app.messages.remove(box.id, [message.id])
    await days_pass(house, 8)
    with pytest.raises(NotFound, match=r"too late: .* was removed for good on 2016-05-18"):
        await house.app.messages.bring_back(box.id, message.id, Because.REQUEST)
    with pytest.raises(NotFound, match="nor was there"):
        await house.app.messages.bring_back(box.id, "201605-" + "0" * 32, Because.REQUEST)


async def test_what_passed_retention_is_not_brought_back(house: House) -> None:
    box = await house.box()
    message = await house.message(box)
    await days_pass(house, 94)
    await house.app.boxes._store.remove(box.id)
    with pytest.raises(PastRetention):
        await house.app.messages.bring_back(box.id, message.id, Because.REQUEST)


# -- files that belong to nothing --------------------------------------------------------------


@pytest.fixture
def today(house: House) -> House:
    """Files are as old as they are: their age is counted on the true calendar."""
    house.clock._now = time.time()
    return house


async def test_files_that_belong_to_nothing_go_after_a_week(today: House) -> None:
    house, folder = today, today.settings.data.folder
    box = await house.box()
    message = await house.message(box)
    hidden = await house.message(box)
    await house.app.messages.remove(box.id, [hidden.id])
    vm = audio(house, message).parent
    strays = [
        vm / f"202601-{'1' * 32}.wav", vm / f".{message.id}.wav.part",
        folder / house.account.id / "media" / f"{'2' * 32}.wav",
        folder / "takes" / f"{'3' * 32}.wav",
    ]  # fmt: skip
    others = [vm / "notes-of-the-administrator.txt", folder / "takes" / "alone-demo-1000-2001-1-1.wav"]
    (folder / house.account.id / "media").mkdir()
    for path in [*strays, *others]:
        path.write_bytes(wav.header(0))
    house.clock.advance(s=6 * DAY_S)
    await sweep(house)
    assert all(path.exists() for path in strays), "a day less than a week: not yet"
    house.clock.advance(s=1 * DAY_S + LATER_S)
    found = await house.app.inspection.strays()
    assert sorted(found) == sorted(strays)
    await sweep(house)
    assert [path for path in strays if path.exists()] == []
    assert [path for path in [*others, audio(house, message)] if not path.exists()] == []


async def test_a_database_from_a_backup_costs_no_audio(today: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many files without rows: it is the rows that are missing."""
    monkeypatch.setattr(inspection, "MOST_STRAYS", 3)
    house = today
    box = await house.box()
    kept = await house.message(box)
    strays = [audio(house, kept).with_name(f"202601-{n:032}.wav") for n in range(4)]
    for path in strays:
        path.write_bytes(wav.header(0))
    house.clock.advance(s=8 * DAY_S)
    structlog.reset_defaults()
    with capture_logs() as logs:
        await sweep(house)
    assert all(path.exists() for path in strays)
    assert [entry["removed"] for entry in logs if entry["event"] == "sweep.many_strays"] == [0]
    strays[0].unlink()
    house.clock.advance(s=DAY_S)
    await sweep(house)
    assert [path for path in strays if path.exists()] == []


async def test_a_message_without_its_audio_is_told_and_kept(house: House) -> None:
    box = await house.box()
    message, whole = await house.message(box), await house.message(box)
    audio(house, message).unlink()
    structlog.reset_defaults()
    with capture_logs() as logs:
        await sweep(house)
    [told] = [entry for entry in logs if entry["event"] == "sweep.audio_missing"]
    assert (told["message"], told["file"]) == (message.id, str(audio(house, message)))
    assert {m.id for m in await house.messages(box)} == {message.id, whole.id}


# -- how it reads --------------------------------------------------------------


async def test_no_statement_of_the_sweeper_reads_more_than_it_says(house: House) -> None:
    """Each runs along an index in the order it wants: no scan of a table, no sorting."""
    seen: list[str] = []
    box = await house.box()
    await house.message(box)

    def watched(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(seen.append)

    store = SqliteSweeping(house.app.database, house.clock)
    await house.app.database.write(watched)
    for _ in range(8):  # whichever reader answers
        await house.app.database.read(watched)
        for rule in STORED:
            await store.due(rule, 1, 10)
        await store.past_retention(house.account.id, 1, 10)
        await store.leftovers(10)
        await store.audio("", 10)
        for shelf in Shelf:
            await store.known(shelf, {"x"})
        await house.app.messages.soft_deleted(box.id, 10)
    await house.app.boxes.delete(box)
    house.clock.advance(s=40 * DAY_S)
    await sweep(house)
    seen += statements.IN_USE
    found = {line for line in seen if line.split()[0] in ("SELECT", "UPDATE", "DELETE") and "FROM accounts" not in line}
    assert len(found) > 25
    for statement in found:
        plan = await house.app.database.read(partial(plan_of, statement))
        # A look at the whole index of what is due is none of the table; its rows are what the limit bounds.
        assert all(step.startswith("SEARCH") or "WITH_FILES" in step.upper() for step in plan), f"{plan}: {statement}"


def plan_of(statement: str, connection: sqlite3.Connection) -> list[str]:
    values = {"account": "a", "media": "m"} if ":media" in statement else {}
    return [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
