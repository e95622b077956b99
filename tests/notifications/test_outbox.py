"""Rows of the outbox: nobody does one twice at a time, and none is forgotten whoever dies."""

from __future__ import annotations

from ivr.errors import NotificationFailed
from ivr.notifications.worker import HandlerResult, OutboxWorker
from ivr.storage.process_locks import Attendance
from ivr.storage.records import LEASE_S, OutboxTask, TaskKind
from ivr.storage.sqlite.outbox import Outbox
from tests.support.app_fixture import AppFixture


async def enqueue_box_full(app: AppFixture) -> None:
    box = await app.create_box()
    await app.container.messages.refresh_light(box.account_id, box.id)
    await app.create_message(box)


async def test_claimed_task_is_exclusive_until_lease_ends(app: AppFixture) -> None:
    await enqueue_box_full(app)
    [row] = await app.container.outbox.claim([TaskKind.NEW], 5)
    assert await app.container.outbox.claim([TaskKind.NEW], 5) == []
    app.clock.advance(s=LEASE_S - 1)
    await app.container.outbox.renew_lease(row)
    app.clock.advance(s=LEASE_S - 1)
    assert await app.container.outbox.claim([TaskKind.NEW], 5) == []
    app.clock.advance(s=1)
    [again] = await app.container.outbox.claim([TaskKind.NEW], 5)
    assert (again.id, again.attempts) == (row.id, 2)


async def test_expired_lease_cannot_finish_task(app: AppFixture) -> None:
    await enqueue_box_full(app)
    [row] = await app.container.outbox.claim([TaskKind.NEW], 1)
    app.clock.advance(s=LEASE_S)
    await app.container.outbox.claim([TaskKind.NEW], 1)
    wrote: list[int] = []
    await app.container.outbox.complete([row], lambda _: wrote.append(1))
    await app.container.outbox.reschedule(row, 0, "late")
    assert wrote == []
    [still] = [one for one in await app.container.outbox.list_tasks() if one.id == row.id]
    assert still.error is None


async def test_recover_releases_claims_of_previous_run(app: AppFixture) -> None:
    await enqueue_box_full(app)
    await app.container.outbox.claim([TaskKind.NEW], 1)
    assert await app.container.outbox.release_orphaned_leases() == 0
    locks = app.settings.data.folder / "locks"
    other = Outbox(app.container.database, app.clock, "another", Attendance(locks))
    assert await other.release_orphaned_leases() == 0, "what a living process is at is its own"
    other = Outbox(app.container.database, app.clock, "another", Attendance(locks.with_name("nobody")))
    assert await other.release_orphaned_leases() == 1
    assert len(await other.claim([TaskKind.NEW], 1)) == 1


async def test_worker_exception_is_logged_and_task_retried(app: AppFixture) -> None:
    await enqueue_box_full(app)
    seen: list[int] = []

    async def breaks(row: OutboxTask) -> HandlerResult:
        seen.append(row.attempts)
        if len(seen) == 1:
            raise ZeroDivisionError
        if len(seen) == 2:
            raise NotificationFailed("not yet")
        return None

    counted: list[tuple[str, str]] = []
    lane = OutboxWorker(
        "test", {TaskKind.NEW: breaks}, app.container.outbox, app.clock, retry_delays_s=[10, 20],
        on_outcome=lambda kind, outcome: counted.append((kind, outcome)),
    )  # fmt: skip
    for wait_s in (0, 10, 20):
        app.clock.advance(s=wait_s)
        await lane.run_once()
    assert seen == [1, 2, 3]
    assert counted == [("new", "failed"), ("new", "failed"), ("new", "done")]
    assert [row.kind for row in await app.container.outbox.list_tasks()] == [TaskKind.MWI]


async def test_due_task_queries_use_index(app: AppFixture) -> None:
    """However much waits: each kind is one step along an index."""
    sql = "EXPLAIN QUERY PLAN SELECT EXISTS (SELECT 1 FROM outbox WHERE kind = ? AND due_at <= ?)"
    plan = await app.container.database.read(lambda c: [row["detail"] for row in c.execute(sql, ("mail", 1))])
    assert any("USING COVERING INDEX outbox_due (kind=? AND due_at<?)" in step for step in plan), plan
