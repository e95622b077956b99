"""The outbox as its workers see it: rows are claimed, and then done, put off, or given up.

A claim is a lease: the row is not due again before it ends, so a worker that hangs or dies holds it back for a while
and never for ever. Whoever finishes a row must still hold its lease. A row that was given up stays, for an
administrator to see (`ivr outbox list`), and is due never.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ivr.clock import Clock
from ivr.errors import NotFound
from ivr.storage.process_locks import ProcessLocks
from ivr.storage.protocols import OnCommit
from ivr.storage.records import LEASE_S, NEVER_DUE, OutboxTask, TaskKind
from ivr.storage.sqlite.database import Database
from ivr.storage.sqlite.transaction import SqliteTransaction

RUN_LOCK_PREFIX = "run-"
"""Before the name of a run that is attended to."""


class SqliteOutbox:
    """The outbox of one database file. `run` tells the leases of this process from those of others; `attendance` tells
    others that it lives."""

    def __init__(self, database: Database, clock: Clock, run_id: str, locks: ProcessLocks) -> None:
        self._database = database
        self._clock = clock
        self._run_id = run_id
        self._locks = locks
        self._claim_count = 0

    # -- for workers ---------------------------------------------------------------------------------------------------

    async def release_orphaned_leases(self) -> int:
        """After a start: what a process that is gone was at is due now. How many rows that were."""
        now = int(self._clock.now())
        question = "SELECT DISTINCT substr(lease, 1, instr(lease, ':') - 1) FROM outbox WHERE lease IS NOT NULL"
        runs = [row[0] for row in await self._database.read(lambda c: c.execute(question).fetchall())]
        gone = [run for run in runs if run != self._run_id and not self._locks.is_locked(RUN_LOCK_PREFIX + run)]
        sql = "UPDATE outbox SET lease = NULL, due_at = ? WHERE lease LIKE ? || ':%'"
        return await self._database.write(lambda c: c.executemany(sql, [(now, run) for run in gone]).rowcount)

    def change_fingerprint(self) -> tuple[int, int]:
        """Differs when something may have been asked for (`Database.footprint`)."""
        return self._database.change_fingerprint()

    async def due_kinds(self) -> set[TaskKind]:
        """The kinds of which something is due."""
        now = int(self._clock.now())
        sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE kind = ? AND due_at <= ?)"
        return await self._database.read(
            lambda c: {kind for kind in TaskKind if c.execute(sql, (kind, now)).fetchone()[0]}
        )

    async def claim(self, kinds: Collection[TaskKind], limit: int) -> list[OutboxTask]:
        """At most `limit` due rows, those first that have waited longest."""
        now = int(self._clock.now())
        self._claim_count += 1
        if self._claim_count == 1:
            self._locks.acquire(RUN_LOCK_PREFIX + self._run_id)
        lease = f"{self._run_id}:{self._claim_count}"
        sql = (
            "UPDATE outbox SET lease = ?, due_at = ?, attempts = attempts + 1 WHERE id IN ("
            "SELECT id FROM outbox WHERE kind = ? AND due_at <= ? ORDER BY due_at, id LIMIT ?) RETURNING *"
        )

        def claim_tasks(connection: sqlite3.Connection) -> list[OutboxTask]:
            found: list[OutboxTask] = []
            for kind in kinds:
                values = (lease, now + LEASE_S, kind, now, limit - len(found))
                found += map(_task_from_row, connection.execute(sql, values).fetchall())
            return found

        return sorted(await self._database.write(claim_tasks), key=lambda row: row.id)

    async def complete(self, tasks: Sequence[OutboxTask], on_commit: OnCommit | None = None) -> None:
        """Rows are done, and what follows is written with it. What was asked for anew meanwhile stays."""

        now = int(self._clock.now())

        def delete_tasks(connection: sqlite3.Connection) -> None:
            sql = "DELETE FROM outbox WHERE id = ? AND lease = ?"
            gone = [connection.execute(sql, (row.id, row.lease)).rowcount for row in tasks]
            if on_commit and all(gone):
                on_commit(SqliteTransaction(connection, now))

        await self._database.write(delete_tasks)

    async def reschedule(
        self, task: OutboxTask, due_at: int, error: str | None, payload: Mapping[str, Any] | None = None
    ) -> None:
        """It is to be done again at `due_at` (Unix s); with NEVER it is given up."""
        sql = "UPDATE outbox SET due_at = ?, error = ?, payload = ?, lease = NULL WHERE id = ? AND lease = ?"
        values = (due_at, error, json.dumps(dict(task.payload if payload is None else payload)), task.id, task.lease)
        await self._database.write(lambda c: c.execute(sql, values).rowcount)

    async def save_progress(self, task: OutboxTask, payload: Mapping[str, Any]) -> None:
        """Write down, while it is being done, how far it is."""
        sql = "UPDATE outbox SET payload = ? WHERE id = ? AND lease = ?"
        await self._database.write(lambda c: c.execute(sql, (json.dumps(dict(payload)), task.id, task.lease)).rowcount)

    async def renew_lease(self, task: OutboxTask) -> None:
        """Whoever is at it needs longer."""
        sql = "UPDATE outbox SET due_at = ? WHERE id = ? AND lease = ?"
        values = (int(self._clock.now()) + LEASE_S, task.id, task.lease)
        await self._database.write(lambda c: c.execute(sql, values).rowcount)

    async def release_without_attempt(self, tasks: Sequence[OutboxTask], due_at: int, error: str) -> None:
        """Nothing was tried: the attempts are not counted."""
        sql = (
            "UPDATE outbox SET due_at = ?, error = ?, lease = NULL, attempts = attempts - 1 WHERE id = ? AND lease = ?"
        )
        values = [(due_at, error, row.id, row.lease) for row in tasks]
        await self._database.write(lambda c: c.executemany(sql, values).rowcount)

    # -- for administrators --------------------------------------------------------------------------------------------

    async def list_tasks(self, limit: int = 1000) -> list[OutboxTask]:
        """What waits, oldest first."""
        sql = "SELECT * FROM outbox ORDER BY id LIMIT ?"
        return [_task_from_row(row) for row in await self._database.read(lambda c: c.execute(sql, (limit,)).fetchall())]

    async def retry(self, ids: Sequence[int] | None = None) -> int:
        """Have rows done now; None: all that were given up. A new row of attempts begins. Raises `NotFound`."""
        now = int(self._clock.now())
        change = "UPDATE outbox SET due_at = ?, attempts = 0, lease = NULL WHERE "

        def reset_attempts(connection: sqlite3.Connection) -> int:
            if ids is None:
                return connection.execute(change + "due_at >= ?", (now, NEVER_DUE)).rowcount
            return _for_each_id(connection, ids, change + "id = ?", now)

        return await self._database.write(reset_attempts)

    async def delete(self, ids: Sequence[int]) -> int:
        """Take rows away undone. Raises `NotFound`."""
        return await self._database.write(lambda c: _for_each_id(c, ids, "DELETE FROM outbox WHERE id = ?"))

    async def backlog_by_kind(self) -> dict[TaskKind, tuple[int, int]]:
        """Of each kind of which something waits: how many rows, and the age of the oldest in seconds."""
        now = int(self._clock.now())
        sql = "SELECT kind, count(*), min(created_at) FROM outbox WHERE due_at < ? GROUP BY kind"
        rows = await self._database.read(lambda c: c.execute(sql, (NEVER_DUE,)).fetchall())
        return {TaskKind(kind): (count, max(0, now - oldest)) for kind, count, oldest in rows}

    async def count_given_up(self) -> int:
        """How many rows wait for an administrator."""
        sql = "SELECT count(*) FROM outbox WHERE due_at >= ?"
        return int((await self._database.read(lambda c: c.execute(sql, (NEVER_DUE,)).fetchone()))[0])


def _for_each_id(connection: sqlite3.Connection, ids: Sequence[int], sql: str, *values: object) -> int:
    missing = [row_id for row_id in ids if not connection.execute(sql, (*values, row_id)).rowcount]
    if missing:
        raise NotFound(f"the outbox has no row {', '.join(map(str, missing))}: see 'ivr outbox list'")
    return len(ids)


def _task_from_row(row: sqlite3.Row) -> OutboxTask:
    return OutboxTask(
        id=row["id"],
        account_id=row["account_id"],
        box_id=row["box_id"],
        message_id=row["message_id"],
        kind=TaskKind(row["kind"]),
        target=row["target"] or "",
        payload=json.loads(row["payload"]),
        created_at=row["created_at"],
        due_at=row["due_at"],
        attempts=row["attempts"],
        error=row["error"],
        lease=row["lease"],
    )
