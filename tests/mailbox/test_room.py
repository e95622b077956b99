"""How much more a box takes, and what goes for a message that needs its room."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.errors import BoxFull, NotFound
from ivr.mailbox.mailbox import MEGABYTE, Mailbox
from ivr.mailbox.message import Caller, Folder, Message
from ivr.mailbox.room import LEAST_MS
from ivr.mailbox.sqlite import counters, rows
from ivr.mailbox.store import Because, MediaKind
from tests.mailbox.test_messages import put
from tests.support.house import NOON, House

SIZE = MEGABYTE // 4


async def fill(house: House, box: Mailbox, *folders: str) -> list[Message]:
    """A message of 0.25 MB in each of these folders, oldest first."""
    return [await put(house, box, folder=Folder(folder), bytes=SIZE, time=NOON + n) for n, folder in enumerate(folders)]


async def ids_of(house: House, box: Mailbox) -> set[str]:
    return {message.id for message in await house.messages(box)}


async def add(house: House, box: Mailbox, size: int, *, said: bool = False) -> list[str]:
    """Which messages went for one of `size` bytes."""
    message = Message("201605-" + "f" * 32, box.account_id, box.id, Folder.NEW, NOON + 999, 1000, bytes=size)
    return [gone.id for gone in await house.app.messages.add(message, said=said)]


async def test_without_a_quota_there_is_always_room(house: House) -> None:
    room = house.app.mailroom.room
    box = await house.box()
    await fill(house, box, *["new"] * 5)
    for quota in (None, 0):
        box = await house.app.boxes.patch(box, {"quota_mb": quota})
        assert await room.left_ms(box) is None
        assert not await room.is_full(box)


async def test_room_is_what_new_saved_and_greetings_leave(house: House) -> None:
    box = await house.box(quota_mb=1)
    await fill(house, box, "new", "saved", "deleted")
    await house.recording(box, MediaKind.UNAVAILABLE, s=10)
    left_ms = await house.app.mailroom.room.left_ms(box)
    assert left_ms is not None
    assert left_ms == pytest.approx((1_000_000 - 2 * SIZE - 160_000) / 16, abs=10)


@pytest.mark.parametrize(("left_ms", "full"), [(LEAST_MS + 10, False), (LEAST_MS - 10, True)])
async def test_a_box_is_full_when_nothing_worth_hearing_fits(house: House, left_ms: int, full: bool) -> None:
    box = await house.box(quota_mb=1)
    await put(house, box, bytes=1_000_000 - 16 * left_ms - 44)
    assert await house.app.mailroom.room.is_full(box) is full


async def test_the_oldest_of_deleted_go_until_it_fits(house: House) -> None:
    box = await house.box(quota_mb=1)
    first, second, third, fourth = await fill(house, box, "deleted", "new", "deleted", "deleted")
    assert await add(house, box, SIZE + 100_000) == [first.id, third.id]
    assert {second.id, fourth.id} < await ids_of(house, box)


async def test_nothing_goes_for_a_message_that_fits(house: House) -> None:
    box = await house.box(quota_mb=1)
    await fill(house, box, "deleted", "new", "saved")
    assert await add(house, box, SIZE) == []


async def test_what_was_said_is_kept_though_nothing_more_can_go(house: House) -> None:
    box = await house.box(quota_mb=1)
    deleted, *kept = await fill(house, box, "deleted", "new", "saved")
    assert await add(house, box, 10 * SIZE, said=True) == [deleted.id]
    assert {message.id for message in kept} < await ids_of(house, box)


async def test_what_nobody_said_is_refused_and_nothing_goes_for_it(house: House) -> None:
    box = await house.box(quota_mb=1)
    before = {message.id for message in await fill(house, box, "deleted", "new", "saved")}
    with pytest.raises(BoxFull, match="its quota of 1 MB is used up"):
        await add(house, box, 10 * SIZE)
    assert await ids_of(house, box) == before
    assert (await house.app.messages.counts(box.id)).deleted == 1


async def test_the_quota_is_that_of_the_moment_at_which_it_comes(house: House) -> None:
    """Whoever read the box before goes by what an administrator has changed meanwhile."""
    box = await house.box()
    await fill(house, box, "new", "new", "new")
    await house.app.boxes.patch(box, {"quota_mb": 1})
    with pytest.raises(BoxFull):
        await house.app.delivery.bring(box, b"\0\0" * SIZE, Caller("2001"), NOON, Folder.NEW)
    assert len(await house.messages(box)) == 3


async def test_urgent_ones_are_no_younger_than_they_are(house: House) -> None:
    box = await house.box(quota_mb=1)
    old = await put(house, box, folder=Folder.DELETED, bytes=2 * SIZE, time=NOON, urgent=False)
    young = await put(house, box, folder=Folder.DELETED, bytes=2 * SIZE, time=NOON + 5, urgent=True)
    assert await add(house, box, SIZE) == [old.id]
    assert young.id in await ids_of(house, box)


@given(
    folders=st.lists(st.sampled_from(["new", "saved", "deleted"]), max_size=6),
    size=st.integers(1, 5 * SIZE),
    quota=st.integers(1, 2),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_remains_fits_or_nothing_more_could_go(
    house: House, folders: list[str], size: int, quota: int
) -> None:
    box = await house.box()
    try:
        before = await fill(house, box, *folders)
        await house.app.boxes.patch(box, {"quota_mb": quota})
        gone = await add(house, box, size, said=True)
        left = await house.messages(box)
        assert all(message.folder == "deleted" for message in before if message.id in gone)
        assert len(left) == len(before) + 1 - len(gone)
        held = sum(message.bytes for message in left)
        assert held == await house.app.messages.bytes(box.id)
        assert held <= quota * MEGABYTE or not any(message.folder == "deleted" for message in left)
        if gone:
            assert held > quota * MEGABYTE - SIZE, "one went that need not"
    finally:
        await house.app.boxes.delete(box)
        await house.app.database.write(lambda c: c.execute("DELETE FROM messages").rowcount)


@pytest.mark.parametrize(
    "reads", [lambda c: rows.oldest(c, "box", Folder.DELETED), lambda c: counters.size(c, "box", "deleted")]
)
async def test_no_statement_for_it_reads_a_whole_table(
    house: House, reads: Callable[[sqlite3.Connection], object]
) -> None:
    def plans(connection: sqlite3.Connection) -> list[str]:
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        reads(connection)
        connection.set_trace_callback(None)
        return [row["detail"] for sql in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]

    details = await house.app.database.read(plans)
    assert details
    assert [detail for detail in details if detail.startswith("SCAN") and "CONSTANT" not in detail] == []
    assert not any("TEMP B-TREE" in detail for detail in details)


async def test_what_went_for_the_quota_went_for_good(house: House) -> None:
    box = await house.box(quota_mb=1)
    gone = await house.message(box, s=10, folder="deleted")
    assert await add(house, box, MEGABYTE) == [gone.id]
    with pytest.raises(NotFound, match="too late"):
        await house.app.messages.bring_back(box.id, gone.id, Because.REQUEST)
    await house.app.sweeper.turn()
    assert not house.app.delivery.audio(gone)[0].exists(), "the sweeper finishes what a crash left undone"
