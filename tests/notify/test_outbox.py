"""Rows of the outbox: nobody does one twice at a time, and none is forgotten whoever dies."""

from __future__ import annotations

from ivr.errors import NotDelivered
from ivr.mailbox.attendance import Attendance
from ivr.mailbox.sqlite.outbox import Kind
from ivr.notify.lane import Done, RowLane
from ivr.notify.outbox import LEASE_S, Outbox, Row
from tests.support.house import House


async def full_box(house: House) -> None:
    box = await house.box()
    await house.app.messages.refresh_light(box.account_id, box.id)
    await house.message(box)


async def test_what_one_worker_is_at_no_other_gets_until_the_lease_ends(house: House) -> None:
    await full_box(house)
    [row] = await house.app.outbox.claim([Kind.NEW], 5)
    assert await house.app.outbox.claim([Kind.NEW], 5) == []
    house.clock.advance(s=LEASE_S - 1)
    await house.app.outbox.renew(row)
    house.clock.advance(s=LEASE_S - 1)
    assert await house.app.outbox.claim([Kind.NEW], 5) == []
    house.clock.advance(s=1)
    [again] = await house.app.outbox.claim([Kind.NEW], 5)
    assert (again.id, again.attempts) == (row.id, 2)


async def test_whoever_has_lost_the_lease_cannot_end_the_row(house: House) -> None:
    await full_box(house)
    [row] = await house.app.outbox.claim([Kind.NEW], 1)
    house.clock.advance(s=LEASE_S)
    await house.app.outbox.claim([Kind.NEW], 1)
    wrote: list[int] = []
    await house.app.outbox.done([row], lambda _: wrote.append(1))
    await house.app.outbox.put_off(row, 0, "late")
    assert wrote == []
    [still] = [one for one in await house.app.outbox.rows() if one.id == row.id]
    assert still.error is None


async def test_a_new_run_takes_up_what_the_last_one_was_at_and_leaves_its_own(house: House) -> None:
    await full_box(house)
    await house.app.outbox.claim([Kind.NEW], 1)
    assert await house.app.outbox.recover() == 0
    attended = house.settings.data.folder / "attended"
    other = Outbox(house.app.database, house.clock, "another", Attendance(attended))
    assert await other.recover() == 0, "what a living process is at is its own"
    other = Outbox(house.app.database, house.clock, "another", Attendance(attended.with_name("nobody")))
    assert await other.recover() == 1
    assert len(await other.claim([Kind.NEW], 1)) == 1


async def test_a_worker_that_breaks_is_told_to_the_log_and_the_row_is_tried_again(house: House) -> None:
    await full_box(house)
    seen: list[int] = []

    async def breaks(row: Row) -> Done:
        seen.append(row.attempts)
        if len(seen) == 1:
            raise ZeroDivisionError
        if len(seen) == 2:
            raise NotDelivered("not yet")
        return None

    counted: list[tuple[str, str]] = []
    lane = RowLane(
        "test", {Kind.NEW: breaks}, house.app.outbox, house.clock, retry_s=[10, 20],
        told=lambda kind, outcome: counted.append((kind, outcome)),
    )  # fmt: skip
    for wait_s in (0, 10, 20):
        house.clock.advance(s=wait_s)
        await lane.drain()
    assert seen == [1, 2, 3]
    assert counted == [("new", "failed"), ("new", "failed"), ("new", "done")]
    assert [row.kind for row in await house.app.outbox.rows()] == [Kind.LIGHT]


async def test_looking_for_work_reads_no_more_than_it_must(house: House) -> None:
    """However much waits: each kind is one step along an index."""
    sql = "EXPLAIN QUERY PLAN SELECT EXISTS (SELECT 1 FROM outbox WHERE kind = ? AND due_at <= ?)"
    plan = await house.app.database.read(lambda c: [row["detail"] for row in c.execute(sql, ("mail", 1))])
    assert any("USING COVERING INDEX outbox_due (kind=? AND due_at<?)" in step for step in plan), plan
