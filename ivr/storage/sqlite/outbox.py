"""The outbox, in SQLite.

A claim writes the lease and moves `due_at` to the end of the lease, so one column and one index say what is due.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ivr.clock import Clock
from ivr.errors import NotFound
from ivr.storage.database import OWN_ROWS, Database
from ivr.storage.process_locks import ProcessLocks
from ivr.storage.protocols import OnCommit
from ivr.storage.records import LEASE_S, NEVER_DUE, OutboxTask, ServiceProcess, TaskKind
from ivr.storage.sqlite.events import SqliteTransaction

_IS_OWN = (
    " AND (kind <> 'mwi' OR target IN ('', :asterisk)) AND (kind <> 'phone_mwi'"
    " OR json_extract(payload, '$.system') = :asterisk"
    " OR json_extract(payload, '$.system') NOT IN (SELECT asterisk FROM nodes))"
)
"""The lights of an Asterisk are set by the services of its nodes; a light at an unknown one by any, which drops it."""
_DUE_KINDS = (
    "SELECT kind FROM ("
    + " UNION ALL ".join(f"SELECT '{kind}' AS kind" for kind in TaskKind)
    + ") AS kinds WHERE EXISTS (SELECT 1 FROM outbox WHERE outbox.kind = kinds.kind AND due_at <= :now{})"
).format(_IS_OWN.replace("kind <>", "kinds.kind <>"))


MIN_JUMP_S = 10
"""Seconds by which a clock is set at least: less is its drift, which delays too little to matter."""


class SqliteOutbox:
    """The `OutboxStore` of one database file.

    The leases of `process` bear its run id. A process lock shows other processes of the node that it lives; what a
    process of another node has claimed is due when the lease ends.
    """

    def __init__(self, database: Database, clock: Clock, process: ServiceProcess, locks: ProcessLocks) -> None:
        self._database = database
        self._clock = clock
        self._process = process
        self._locks = locks
        self._claim_count = 0
        self._lead_s = self._clock_lead_s()
        self._had_a_turn: dict[TaskKind, set[str]] = {}
        """The accounts that have had a task claimed since all with due tasks had one, where accounts take turns."""

    def _clock_lead_s(self) -> float:
        return self._clock.now() - self._clock.monotonic()

    async def _follow_clock(self) -> None:
        """Make tasks due as much earlier as the clock was set back: they would wait for the time that it showed."""
        lead_s = self._clock_lead_s()
        if (back_s := int(self._lead_s - lead_s)) >= MIN_JUMP_S:
            sql = "UPDATE outbox SET due_at = due_at - ? WHERE due_at > ? AND due_at < ? AND lease IS NULL"
            values = (back_s, int(self._clock.now()), NEVER_DUE)
            await self._database.write(lambda c: c.execute(sql, values).rowcount)
        self._lead_s = lead_s

    # -- for workers ---------------------------------------------------------------------------------------------------

    async def release_orphaned_leases(self) -> int:
        now = int(self._clock.now())
        run_ids_sql = "SELECT DISTINCT substr(lease, 1, instr(lease, ':') - 1) FROM outbox WHERE lease IS NOT NULL"
        run_ids = [row[0] for row in await self._database.read(lambda c: c.execute(run_ids_sql).fetchall())]
        own = [run for run in run_ids if run != self._process.run_id and self._process.is_of_same_node(run)]
        dead = [run for run in own if not self._locks.has_run(run)]
        sql = "UPDATE outbox SET lease = NULL, due_at = ? WHERE lease LIKE ? || ':%'"
        # The clock was set back while no service ran.
        of_the_future = "UPDATE outbox SET due_at = ? WHERE created_at > ? AND due_at < ? AND lease IS NULL"

        def release(connection: sqlite3.Connection) -> int:
            connection.execute(of_the_future, (now, now + MIN_JUMP_S, NEVER_DUE))
            return connection.executemany(sql, [(now, run) for run in dead]).rowcount

        return await self._database.write(release)

    def change_fingerprint(self) -> bytes:
        return self._database.change_signal()

    async def due_kinds(self) -> set[TaskKind]:
        await self._follow_clock()
        values = {"now": int(self._clock.now()), "asterisk": self._process.asterisk}
        rows = await self._database.read(lambda c: c.execute(_DUE_KINDS, values).fetchall())
        return {TaskKind(row[0]) for row in rows}

    async def claim(
        self,
        kinds: Collection[TaskKind],
        limit: int,
        *,
        max_per_account: int | None = None,
        running: Collection[str] = (),
    ) -> list[OutboxTask]:
        # Each commit wakes the workers of all nodes, and one of them claims: the others only read.
        if not (due_kinds := await self.due_kinds() & {*kinds}):
            return []
        now = int(self._clock.now())
        self._claim_count += 1
        if self._claim_count == 1:
            self._locks.acquire_run(self._process.run_id)
        lease = f"{self._process.run_id}:{self._claim_count}"
        # An account with many due tasks must not hide those of others: its limit and its turn are part of the search.
        sql = (
            "WITH chosen AS (SELECT id FROM outbox WHERE kind = :kind AND due_at <= :now AND account_id NOT IN"
            " (SELECT value FROM json_each(:excluded)) AND (lease IS NULL OR lease NOT IN"
            f" (SELECT value FROM json_each(:running))){_IS_OWN} ORDER BY due_at, id LIMIT :batch"
            " /* FOR UPDATE SKIP LOCKED */)"
            " UPDATE outbox SET lease = :lease, due_at = :ends_at, attempts = attempts + 1"
            " WHERE id IN (SELECT id FROM chosen) RETURNING *"
        )
        values = {"lease": lease, "ends_at": now + LEASE_S, "now": now, "asterisk": self._process.asterisk}
        values["running"] = json.dumps([*running])

        def claim_tasks(connection: sqlite3.Connection) -> tuple[list[OutboxTask], dict[TaskKind, set[str]]]:
            tasks: list[OutboxTask] = []
            turns: dict[TaskKind, set[str]] = {}
            for kind in (kind for kind in kinds if kind in due_kinds):
                running = _running_by_account(connection, kind, now) if max_per_account else Counter[str]()
                had_a_turn = turns[kind] = set(self._had_a_turn.get(kind, ()))
                while len(tasks) < limit:
                    at_limit = {account for account, count in running.items() if count >= (max_per_account or limit)}
                    batch = 1 if max_per_account else limit - len(tasks)
                    chosen = {"kind": kind, "excluded": json.dumps([*at_limit | had_a_turn]), "batch": batch}
                    claimed = [*map(task_from_row, connection.execute(sql, {**values, **chosen}).fetchall())]
                    tasks += claimed
                    if not max_per_account or not (claimed or had_a_turn):
                        break
                    if not claimed:
                        had_a_turn.clear()
                    running.update(task.account_id for task in claimed)
                    had_a_turn.update(task.account_id for task in claimed)
            return tasks, turns

        # Where accounts take turns, claims of the same kind wait for each other, by a lock like that of a mailbox.
        locks = [f"claim {kind}" for kind in due_kinds] if max_per_account else OWN_ROWS
        tasks, turns = await self._database.write(claim_tasks, boxes=locks)
        self._had_a_turn.update(turns)
        return tasks if max_per_account else sorted(tasks, key=lambda task: task.id)

    async def complete(self, tasks: Sequence[OutboxTask], on_commit: OnCommit | None = None) -> None:
        now = int(self._clock.now())

        def delete_tasks(connection: sqlite3.Connection) -> None:
            sql = "DELETE FROM outbox WHERE id = ? AND lease = ?"
            deleted = [connection.execute(sql, (task.id, task.lease)) for task in tasks]
            if on_commit and any(cursor.rowcount for cursor in deleted):
                on_commit(SqliteTransaction(connection, now))

        await self._database.write(delete_tasks, boxes=[task.box_id for task in tasks])

    async def reschedule(
        self, task: OutboxTask, due_at: int, error: str | None, payload: Mapping[str, Any] | None = None
    ) -> None:
        sql = "UPDATE outbox SET due_at = ?, error = ?, payload = ?, lease = NULL WHERE id = ? AND lease = ?"
        values = (due_at, error, json.dumps(dict(task.payload if payload is None else payload)), task.id, task.lease)
        await self._database.write(lambda c: c.execute(sql, values).rowcount, boxes=OWN_ROWS)

    async def save_progress(self, task: OutboxTask, payload: Mapping[str, Any]) -> None:
        sql = "UPDATE outbox SET payload = ? WHERE id = ? AND lease = ?"
        values = (json.dumps(dict(payload)), task.id, task.lease)
        await self._database.write(lambda c: c.execute(sql, values).rowcount, boxes=OWN_ROWS)

    async def renew_lease(self, task: OutboxTask) -> None:
        sql = "UPDATE outbox SET due_at = ? WHERE id = ? AND lease = ?"
        values = (int(self._clock.now()) + LEASE_S, task.id, task.lease)
        await self._database.write(lambda c: c.execute(sql, values).rowcount, boxes=OWN_ROWS)

    async def release_without_attempt(self, tasks: Sequence[OutboxTask], due_at: int, error: str) -> None:
        sql = (
            "UPDATE outbox SET due_at = ?, error = ?, lease = NULL, attempts = attempts - 1 WHERE id = ? AND lease = ?"
        )
        values = [(due_at, error, task.id, task.lease) for task in tasks]
        await self._database.write(lambda c: c.executemany(sql, values).rowcount, boxes=OWN_ROWS)

    # -- for administrators --------------------------------------------------------------------------------------------

    async def list_tasks(self, limit: int = 1000, *, given_up_only: bool = False) -> list[OutboxTask]:
        sql = "SELECT * FROM outbox WHERE due_at >= ? ORDER BY id LIMIT ?"
        values = (NEVER_DUE if given_up_only else 0, limit)
        return [task_from_row(row) for row in await self._database.read(lambda c: c.execute(sql, values).fetchall())]

    async def retry(self, ids: Sequence[int] | None = None) -> int:
        now = int(self._clock.now())
        update = (
            "UPDATE outbox SET due_at = ?, attempts = 0, lease = NULL,"
            " payload = json_remove(payload, '$.announced') WHERE "
        )

        def reset_attempts(connection: sqlite3.Connection) -> int:
            if ids is None:
                return connection.execute(update + "due_at >= ?", (now, NEVER_DUE)).rowcount
            return _for_each_id(connection, ids, update + "id = ?", now)

        return await self._database.write(reset_attempts)

    async def delete(self, ids: Sequence[int]) -> int:
        # Its recipient has not got the message, which is not to be deleted after the other mails about it.
        not_mailed = (
            "UPDATE messages SET mailed_without_audio = 1"
            " WHERE id IN (SELECT message_id FROM outbox WHERE id = ? AND kind = ?)"
        )

        def delete_tasks(connection: sqlite3.Connection) -> int:
            connection.executemany(not_mailed, [(row_id, TaskKind.MAIL) for row_id in ids])
            return _for_each_id(connection, ids, "DELETE FROM outbox WHERE id = ?")

        return await self._database.write(delete_tasks)

    async def backlog_by_kind(self) -> dict[TaskKind, tuple[int, int]]:
        now = int(self._clock.now())
        sql = "SELECT kind, count(*), min(created_at) FROM outbox WHERE due_at < ? GROUP BY kind"
        rows = await self._database.read(lambda c: c.execute(sql, (NEVER_DUE,)).fetchall())
        return {TaskKind(kind): (count, max(0, now - oldest)) for kind, count, oldest in rows}

    async def given_up_by_kind(self) -> dict[TaskKind, int]:
        sql = "SELECT kind, count(*) FROM outbox WHERE due_at >= ? GROUP BY kind"
        rows = await self._database.read(lambda c: c.execute(sql, (NEVER_DUE,)).fetchall())
        return {TaskKind(kind): count for kind, count in rows}


def _for_each_id(connection: sqlite3.Connection, ids: Sequence[int], sql: str, *values: object) -> int:
    """Execute a statement for each id and return their number. Raises `NotFound` if one of them does not exist."""
    missing = [row_id for row_id in ids if not connection.execute(sql, (*values, row_id)).rowcount]
    if missing:
        raise NotFound(f"the outbox has no row {', '.join(map(str, missing))}: see 'ivr outbox list'")
    return len(ids)


def _running_by_account(connection: sqlite3.Connection, kind: TaskKind, now: int) -> Counter[str]:
    sql = "SELECT account_id, COUNT(*) FROM outbox WHERE kind = ? AND due_at > ? AND lease IS NOT NULL GROUP BY 1"
    return Counter({str(account_id): count for account_id, count in connection.execute(sql, (kind, now))})


def task_from_row(row: sqlite3.Row) -> OutboxTask:
    """Return the task of a row of `outbox`."""
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
        uid=row["uid"] or "",
    )


class SqliteUndeliveredMail:
    """The `UndeliveredMailStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_by_box(self, box_id: str) -> list[OutboxTask]:
        sql = "SELECT * FROM outbox WHERE box_id = ? AND kind = ? AND due_at >= ? ORDER BY id"
        values = (box_id, TaskKind.MAIL, NEVER_DUE)
        return [task_from_row(row) for row in await self._database.read(lambda c: c.execute(sql, values).fetchall())]

    async def record_announced(self, mails: Sequence[OutboxTask]) -> None:
        sql = "UPDATE outbox SET payload = json_set(payload, '$.announced', json('true')) WHERE id = ? AND uid = ?"
        values = [(mail.id, mail.uid) for mail in mails]
        await self._database.write(lambda c: c.executemany(sql, values).rowcount)
