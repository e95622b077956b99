"""The outbox as its workers see it: rows are claimed, and then done, put off, or given up.

A claim is a lease: the row is not due again before it ends, so a worker that hangs or dies holds it back for a while
and never for ever. Whoever finishes a row must still hold its lease. A row that was given up stays, for an
administrator to see (`ivr outbox list`), and is due never.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ivr.clock import Clock
from ivr.database.file import Database
from ivr.errors import NotFound
from ivr.mailbox.attendance import Attendance
from ivr.mailbox.sqlite.outbox import Kind

LEASE_S = 120
"""Renewed while somebody works at the row."""
RUN = "run-"
"""Before the name of a run that is attended to."""
NEVER = 2**53
"""`due_at` of a row that was given up."""

Also = Callable[[sqlite3.Connection], object]
"""What happens in the transaction that ends a row."""


@dataclass(frozen=True, slots=True)
class Row:
    """Something to do. `attempts` counts this one."""

    id: int
    account_id: str
    box_id: str
    message_id: str | None
    kind: Kind
    about: str
    payload: Mapping[str, Any]
    created_at: int
    due_at: int
    attempts: int
    error: str | None
    lease: str | None

    @property
    def given_up(self) -> bool:
        return self.due_at >= NEVER


class Outbox:
    """The outbox of one database file. `run` tells the leases of this process from those of others; `attendance` tells
    others that it lives."""

    def __init__(self, database: Database, clock: Clock, run: str, attendance: Attendance) -> None:
        self._database = database
        self._clock = clock
        self._run = run
        self._attendance = attendance
        self._claims = 0

    # -- for workers ---------------------------------------------------------------------------------------------------

    async def recover(self) -> int:
        """After a start: what a process that is gone was at is due now. How many rows that were."""
        now = int(self._clock.now())
        question = "SELECT DISTINCT substr(lease, 1, instr(lease, ':') - 1) FROM outbox WHERE lease IS NOT NULL"
        runs = [row[0] for row in await self._database.read(lambda c: c.execute(question).fetchall())]
        gone = [run for run in runs if run != self._run and not self._attendance.is_held(RUN + run)]
        sql = "UPDATE outbox SET lease = NULL, due_at = ? WHERE lease LIKE ? || ':%'"
        return await self._database.write(lambda c: c.executemany(sql, [(now, run) for run in gone]).rowcount)

    def footprint(self) -> tuple[int, int]:
        """Differs when something may have been asked for (`Database.footprint`)."""
        return self._database.footprint()

    async def due(self) -> set[Kind]:
        """The kinds of which something is due."""
        now = int(self._clock.now())
        sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE kind = ? AND due_at <= ?)"
        return await self._database.read(lambda c: {kind for kind in Kind if c.execute(sql, (kind, now)).fetchone()[0]})

    async def claim(self, kinds: Collection[Kind], limit: int) -> list[Row]:
        """At most `limit` due rows, those first that have waited longest."""
        now = int(self._clock.now())
        self._claims += 1
        if self._claims == 1:
            self._attendance.hold(RUN + self._run)
        lease = f"{self._run}:{self._claims}"
        sql = (
            "UPDATE outbox SET lease = ?, due_at = ?, attempts = attempts + 1 WHERE id IN ("
            "SELECT id FROM outbox WHERE kind = ? AND due_at <= ? ORDER BY due_at, id LIMIT ?) RETURNING *"
        )

        def verb(connection: sqlite3.Connection) -> list[Row]:
            found: list[Row] = []
            for kind in kinds:
                values = (lease, now + LEASE_S, kind, now, limit - len(found))
                found += map(_row, connection.execute(sql, values).fetchall())
            return found

        return sorted(await self._database.write(verb), key=lambda row: row.id)

    async def done(self, rows: Sequence[Row], also: Also | None = None) -> None:
        """Rows are done, and what follows is written with it. What was asked for anew meanwhile stays."""

        def verb(connection: sqlite3.Connection) -> None:
            sql = "DELETE FROM outbox WHERE id = ? AND lease = ?"
            gone = [connection.execute(sql, (row.id, row.lease)).rowcount for row in rows]
            if also and all(gone):
                also(connection)

        await self._database.write(verb)

    async def put_off(self, row: Row, due_at: int, error: str | None, payload: Mapping[str, Any] | None = None) -> None:
        """It is to be done again at `due_at` (Unix s); with NEVER it is given up."""
        sql = "UPDATE outbox SET due_at = ?, error = ?, payload = ?, lease = NULL WHERE id = ? AND lease = ?"
        values = (due_at, error, json.dumps(dict(row.payload if payload is None else payload)), row.id, row.lease)
        await self._database.write(lambda c: c.execute(sql, values).rowcount)

    async def note(self, row: Row, payload: Mapping[str, Any]) -> None:
        """Write down, while it is being done, how far it is."""
        sql = "UPDATE outbox SET payload = ? WHERE id = ? AND lease = ?"
        await self._database.write(lambda c: c.execute(sql, (json.dumps(dict(payload)), row.id, row.lease)).rowcount)

    async def renew(self, row: Row) -> None:
        """Whoever is at it needs longer."""
        sql = "UPDATE outbox SET due_at = ? WHERE id = ? AND lease = ?"
        values = (int(self._clock.now()) + LEASE_S, row.id, row.lease)
        await self._database.write(lambda c: c.execute(sql, values).rowcount)

    async def untouched(self, rows: Sequence[Row], due_at: int, error: str) -> None:
        """Nothing was tried: the attempts are not counted."""
        sql = (
            "UPDATE outbox SET due_at = ?, error = ?, lease = NULL, attempts = attempts - 1 WHERE id = ? AND lease = ?"
        )
        values = [(due_at, error, row.id, row.lease) for row in rows]
        await self._database.write(lambda c: c.executemany(sql, values).rowcount)

    # -- for administrators --------------------------------------------------------------------------------------------

    async def rows(self, limit: int = 1000) -> list[Row]:
        """What waits, oldest first."""
        sql = "SELECT * FROM outbox ORDER BY id LIMIT ?"
        return [_row(row) for row in await self._database.read(lambda c: c.execute(sql, (limit,)).fetchall())]

    async def retry(self, ids: Sequence[int] | None = None) -> int:
        """Have rows done now; None: all that were given up. A new row of attempts begins. Raises `NotFound`."""
        now = int(self._clock.now())
        change = "UPDATE outbox SET due_at = ?, attempts = 0, lease = NULL WHERE "

        def verb(connection: sqlite3.Connection) -> int:
            if ids is None:
                return connection.execute(change + "due_at >= ?", (now, NEVER)).rowcount
            return _each(connection, ids, change + "id = ?", now)

        return await self._database.write(verb)

    async def drop(self, ids: Sequence[int]) -> int:
        """Take rows away undone. Raises `NotFound`."""
        return await self._database.write(lambda c: _each(c, ids, "DELETE FROM outbox WHERE id = ?"))

    async def ages(self) -> dict[Kind, tuple[int, int]]:
        """Of each kind of which something waits: how many rows, and the age of the oldest in seconds."""
        now = int(self._clock.now())
        sql = "SELECT kind, count(*), min(created_at) FROM outbox WHERE due_at < ? GROUP BY kind"
        rows = await self._database.read(lambda c: c.execute(sql, (NEVER,)).fetchall())
        return {Kind(kind): (count, max(0, now - oldest)) for kind, count, oldest in rows}

    async def given_up(self) -> int:
        """How many rows wait for an administrator."""
        sql = "SELECT count(*) FROM outbox WHERE due_at >= ?"
        return int((await self._database.read(lambda c: c.execute(sql, (NEVER,)).fetchone()))[0])


def _each(connection: sqlite3.Connection, ids: Sequence[int], sql: str, *values: object) -> int:
    missing = [row_id for row_id in ids if not connection.execute(sql, (*values, row_id)).rowcount]
    if missing:
        raise NotFound(f"the outbox has no row {', '.join(map(str, missing))}: see 'ivr outbox list'")
    return len(ids)


def _row(row: sqlite3.Row) -> Row:
    return Row(
        id=row["id"], account_id=row["account_id"], box_id=row["box_id"], message_id=row["message_id"],
        kind=Kind(row["kind"]), about=row["about"] or "", payload=json.loads(row["payload"]),
        created_at=row["created_at"], due_at=row["due_at"], attempts=row["attempts"], error=row["error"],
        lease=row["lease"],
    )  # fmt: skip
