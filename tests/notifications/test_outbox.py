"""Claims of outbox rows: no row is processed twice at a time, and none is lost when a process dies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ivr.errors import NotificationFailed, StoreError
from ivr.notifications.worker import MAX_STORAGE_RETRY_DELAY_S, HandlerResult, OutboxWorker, WorkerLimits
from ivr.storage.process_locks import ProcessLocks
from ivr.storage.protocols import OnCommit
from ivr.storage.records import LEASE_S, OutboxTask, ServiceProcess, TaskKind
from ivr.storage.sqlite.outbox import SqliteOutbox
from tests.support.app_fixture import AppFixture

pytestmark = pytest.mark.both_engines


async def enqueue_new_message(app: AppFixture) -> None:
    box = await app.create_box()
    await app.container.messages.enqueue_mwi(box.account_id, box.id)
    await app.create_message(box)


async def test_claimed_task_is_exclusive_until_lease_ends(app: AppFixture) -> None:
    await enqueue_new_message(app)
    [task] = await app.container.outbox.claim([TaskKind.NEW], 5)
    assert await app.container.outbox.claim([TaskKind.NEW], 5) == []
    app.clock.advance(s=LEASE_S - 1)
    await app.container.outbox.renew_lease(task)
    app.clock.advance(s=LEASE_S - 1)
    assert await app.container.outbox.claim([TaskKind.NEW], 5) == []
    app.clock.advance(s=1)
    [again] = await app.container.outbox.claim([TaskKind.NEW], 5)
    assert (again.id, again.attempts) == (task.id, 2)


async def test_expired_lease_cannot_finish_task(app: AppFixture) -> None:
    await enqueue_new_message(app)
    [task] = await app.container.outbox.claim([TaskKind.NEW], 1)
    app.clock.advance(s=LEASE_S)
    await app.container.outbox.claim([TaskKind.NEW], 1)
    committed: list[int] = []
    await app.container.outbox.complete([task], lambda _: committed.append(1))
    await app.container.outbox.reschedule(task, 0, "late")
    assert committed == []
    [stored] = [other for other in await app.container.outbox.list_tasks() if other.id == task.id]
    assert stored.error is None


async def test_recover_releases_claims_of_previous_run(app: AppFixture) -> None:
    await enqueue_new_message(app)
    await app.container.outbox.claim([TaskKind.NEW], 1)
    assert await app.container.outbox.release_orphaned_leases() == 0
    locks = app.settings.data.folder / "state" / "locks"
    another = ServiceProcess.create(app.settings.node_name, "asterisk", "another")
    other = SqliteOutbox(app.container.database, app.clock, another, ProcessLocks(locks))
    assert await other.release_orphaned_leases() == 0, "the leases of a living process are kept"
    other = SqliteOutbox(app.container.database, app.clock, another, ProcessLocks(locks.with_name("no-locks")))
    assert await other.release_orphaned_leases() == 1
    assert len(await other.claim([TaskKind.NEW], 1)) == 1


async def test_worker_exception_is_logged_and_task_retried(app: AppFixture) -> None:
    await enqueue_new_message(app)
    seen: list[int] = []

    async def fail_twice(task: OutboxTask) -> HandlerResult:
        seen.append(task.attempts)
        if len(seen) == 1:
            raise ZeroDivisionError
        if len(seen) == 2:
            raise NotificationFailed("not yet")
        return None

    outcomes: list[tuple[str, str]] = []
    worker = OutboxWorker(
        "test",
        {TaskKind.NEW: fail_twice},
        app.container.outbox,
        app.clock,
        limits=WorkerLimits(retry_delays_s=(10, 20)),
        on_outcome=lambda kind, outcome: outcomes.append((kind, outcome)),
    )
    for wait_s in (0, 10, 20):
        app.clock.advance(s=wait_s)
        await worker.run_once()
    assert seen == [1, 2, 3]
    assert outcomes == [("new", "failed"), ("new", "failed"), ("new", "done")]
    assert [task.kind for task in await app.container.outbox.list_tasks()] == [TaskKind.MWI]


async def test_outcome_is_stored_when_the_database_is_back_and_nothing_is_sent_twice(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enqueue_new_message(app)
    sent, outbox = [], app.container.outbox
    complete, away = outbox.complete, iter([True, True])

    async def send(task: OutboxTask) -> HandlerResult:
        sent.append(task.id)
        return None

    async def complete_when_back(tasks: Sequence[OutboxTask], on_commit: OnCommit | None = None) -> None:
        if next(away, False):
            raise StoreError("the database is away")
        await complete(tasks, on_commit)

    monkeypatch.setattr(outbox, "complete", complete_when_back)
    limits = WorkerLimits(storage_retry_delay_s=0.01)
    worker = OutboxWorker("test", {TaskKind.NEW: send}, outbox, app.clock, limits=limits)
    await worker.run_once()
    app.clock.advance(s=LEASE_S)
    await worker.run_once()
    assert len(sent) == 1
    assert [task.kind for task in await outbox.list_tasks()] == [TaskKind.MWI]


async def test_task_that_could_not_read_the_database_is_tried_again_soon(app: AppFixture) -> None:
    await enqueue_new_message(app)
    attempts: list[int] = []

    async def read_once_away(task: OutboxTask) -> HandlerResult:
        attempts.append(task.attempts)
        if len(attempts) == 1:
            raise StoreError("the database is away")
        return None

    worker = OutboxWorker("test", {TaskKind.NEW: read_once_away}, app.container.outbox, app.clock)
    await worker.run_once()
    app.clock.advance(s=MAX_STORAGE_RETRY_DELAY_S)
    await worker.run_once()
    assert attempts == [1, 1], "it is no failed attempt"


@pytest.mark.sqlite_only
async def test_due_task_queries_use_index(app: AppFixture) -> None:
    """The query takes one index step per kind, however many rows wait."""
    sql = "EXPLAIN QUERY PLAN SELECT EXISTS (SELECT 1 FROM outbox WHERE kind = ? AND due_at <= ?)"
    plan = await app.container.database.read(lambda c: [row["detail"] for row in c.execute(sql, ("mail", 1))])
    assert any("USING COVERING INDEX outbox_by_due (kind=? AND due_at<?)" in step for step in plan), plan


@pytest.mark.parametrize("jump_s", [3600, 86_400, 30 * 86_400])
async def test_tasks_of_a_clock_that_was_set_back_do_not_wait_for_its_time(app: AppFixture, jump_s: int) -> None:
    outbox = app.container.outbox
    app.clock.jump(jump_s)
    await enqueue_new_message(app)
    [task] = await outbox.claim([TaskKind.NEW], 5)
    await outbox.reschedule(task, int(app.clock.now()) + 900, "not yet")
    app.clock.jump(-jump_s)
    assert await outbox.due_kinds() == {TaskKind.MWI}, "what was due is due"
    app.clock.advance(s=902)
    assert await outbox.due_kinds() == {TaskKind.MWI, TaskKind.NEW}, "what was to be tried in 15 minutes is"
    [again] = await outbox.claim([TaskKind.NEW], 5)
    assert again.id == task.id


async def test_tasks_of_a_clock_that_was_set_back_before_the_start_are_due(app: AppFixture) -> None:
    app.clock.jump(86_400)
    await enqueue_new_message(app)
    app.clock.jump(-86_400)
    process = ServiceProcess.create(app.settings.node_name, "asterisk", "next")
    locks = ProcessLocks(app.settings.data.folder / "state" / "locks")
    outbox = SqliteOutbox(app.container.database, app.clock, process, locks)
    assert await outbox.due_kinds() == set()
    await outbox.release_orphaned_leases()
    assert await outbox.due_kinds() == {TaskKind.NEW, TaskKind.MWI}


async def test_task_in_progress_is_not_begun_again_when_the_clock_is_set_forward(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease seems to have ended: the mail would be sent twice."""
    await enqueue_new_message(app)
    begun, may_end, outbox = list[int](), asyncio.Event(), app.container.outbox
    claim, claims = outbox.claim, list[int]()

    async def count(*args: Any, **options: Any) -> list[OutboxTask]:
        claimed = await claim(*args, **options)
        claims.append(len(claimed))
        return claimed

    monkeypatch.setattr(outbox, "claim", count)

    async def send(task: OutboxTask) -> HandlerResult:
        begun.append(task.id)
        await may_end.wait()
        return None

    worker = OutboxWorker("test", {TaskKind.NEW: send}, outbox, app.clock, limits=WorkerLimits(max_concurrency=2))
    working = asyncio.create_task(worker.run_once())
    while not begun:
        await asyncio.sleep(0)
    app.clock.jump(86_400)
    assert TaskKind.NEW in await outbox.due_kinds()
    again = asyncio.create_task(worker.run_once())
    while len(claims) < 2 and not again.done():
        await asyncio.sleep(0)
    may_end.set()
    await asyncio.gather(working, again)
    assert len(begun) == 1
    assert [task.kind for task in await app.container.outbox.list_tasks()] == [TaskKind.MWI]
