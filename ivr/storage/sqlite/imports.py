"""Imports from other voicemail systems, in SQLite: runs, and what each has imported."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ivr.clock import Clock
from ivr.errors import BoxDeleted
from ivr.storage.database import Database
from ivr.storage.records import (
    ImportedKind,
    ImportedObject,
    ImportRun,
    ImportState,
    MediaKind,
    Message,
    StoredMedia,
    UndoResult,
)
from ivr.storage.sqlite import counters, events, media, message_rows, person_removal, removal

UNDONE = "the import was undone"


class SqliteImports:
    """The `ImportStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add_run(self, run: ImportRun) -> None:
        values = (run.id, run.began_at, run.state, json.dumps(run.options))
        sql = "INSERT INTO import_runs (id, began_at, state, options) VALUES (?, ?, ?, ?)"
        await self._database.write(lambda c: c.execute(sql, values).rowcount)

    async def finish_run(self, run: ImportRun) -> None:
        values = (run.state, run.ended_at, json.dumps(run.report) if run.report is not None else None, run.id)
        sql = "UPDATE import_runs SET state = ?, ended_at = ?, report = ? WHERE id = ?"
        await self._database.write(lambda c: c.execute(sql, values).rowcount)

    async def list_runs(self) -> list[ImportRun]:
        sql = "SELECT * FROM import_runs ORDER BY began_at DESC, rowid DESC"
        rows = await self._database.read(lambda c: c.execute(sql).fetchall())
        return [
            ImportRun(
                id=row["id"],
                began_at=row["began_at"],
                state=ImportState(row["state"]),
                options=json.loads(row["options"]),
                ended_at=row["ended_at"],
                report=json.loads(row["report"]) if row["report"] else None,
            )
            for row in rows
        ]

    async def count_by_run(self, run_id: str) -> dict[ImportedKind, int]:
        sql = "SELECT kind, count(*) AS objects FROM imported WHERE run_id = ? GROUP BY kind"
        rows = await self._database.read(lambda c: c.execute(sql, (run_id,)).fetchall())
        return {ImportedKind(row["kind"]): int(row["objects"]) for row in rows}

    async def list_imported(self, kind: ImportedKind, box_id: str) -> list[ImportedObject]:
        sql = "SELECT * FROM imported WHERE box_id = ? AND kind = ?"
        rows = await self._database.read(lambda c: c.execute(sql, (box_id, kind)).fetchall())
        return [ImportedObject(**{**dict(row), "kind": ImportedKind(row["kind"])}) for row in rows]

    async def is_purged(self, message_id: str) -> bool:
        sql = "SELECT 1 FROM tombstones WHERE id = ?"
        return await self._database.read(lambda c: c.execute(sql, (message_id,)).fetchone()) is not None

    async def add_message(self, message: Message, imported: ImportedObject, folder_changed_at: int) -> bool:
        now = int(self._clock.now())

        def insert(connection: sqlite3.Connection) -> bool:
            _require_box(connection, message.box_id)
            insert_imported(connection, [imported])
            if connection.execute("SELECT 1 FROM messages WHERE id = ?", (message.id,)).fetchone():
                return False
            message_rows.insert_message(connection, message, now, folder_changed_at=folder_changed_at)
            counters.adjust_for_message(connection, message, message.folder, 1)
            events.enqueue_mwi(connection, message.account_id, message.box_id, now)
            return True

        return await self._database.write(insert)

    async def add_greeting(self, greeting: StoredMedia, user_id: str | None, imported: ImportedObject) -> None:
        now = int(self._clock.now())
        table, row_id = ("users", user_id) if user_id else ("boxes", greeting.box_id)
        changes: Mapping[str, Any] = {greeting.kind: greeting.id}

        def insert(connection: sqlite3.Connection) -> None:
            _require_box(connection, greeting.box_id)
            media.set_active(connection, table, row_id, changes, now)
            media.insert_media(connection, greeting)
            insert_imported(connection, [imported])

        await self._database.write(insert)

    async def add_imported(self, objects: Sequence[ImportedObject]) -> None:
        await self._database.write(lambda c: insert_imported(c, objects))

    async def undo_messages(self, run_id: str, limit: int) -> int:
        now = int(self._clock.now())
        sql = "SELECT * FROM imported WHERE run_id = ? AND kind = ? LIMIT ?"

        def undo(connection: sqlite3.Connection) -> int:
            objects = connection.execute(sql, (run_id, ImportedKind.MESSAGE, limit)).fetchall()
            for imported in objects:
                _purge_message(connection, imported["target_id"], now)
                _forget(connection, imported)
            return len(objects)

        return await self._database.write(undo)

    async def undo_rest(self, run_id: str) -> UndoResult:
        now = int(self._clock.now())

        def undo(connection: sqlite3.Connection) -> UndoResult:
            imported = {
                kind: connection.execute(
                    "SELECT * FROM imported WHERE run_id = ? AND kind = ?", (run_id, kind)
                ).fetchall()
                for kind in ImportedKind
            }
            greetings = [_remove_greeting(connection, row, now) for row in imported[ImportedKind.GREETING]]
            remaining: list[str] = []
            boxes = [_remove_box(connection, row, now, remaining) for row in imported[ImportedKind.BOX]]
            users = [_remove_user(connection, row, now, remaining) for row in imported[ImportedKind.USER]]
            for rows in imported.values():
                for row in rows:
                    _forget(connection, row)
            return UndoResult(0, sum(greetings), sum(boxes), sum(users), tuple(remaining))

        return await self._database.write(undo)


def insert_imported(connection: sqlite3.Connection, objects: Iterable[ImportedObject]) -> None:
    """Record what was imported, in the place of what the same object of the source had become before."""
    connection.executemany(
        "INSERT INTO imported (kind, source_id, account_id, box_id, target_id, fingerprint, run_id, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, source_id) DO UPDATE SET account_id = excluded.account_id,"
        " box_id = excluded.box_id, target_id = excluded.target_id, fingerprint = excluded.fingerprint,"
        " run_id = excluded.run_id, at = excluded.at",
        [(o.kind, o.source_id, o.account_id, o.box_id, o.target_id, o.fingerprint, o.run_id, o.at) for o in objects],
    )


def _forget(connection: sqlite3.Connection, imported: sqlite3.Row) -> None:
    sql = "DELETE FROM imported WHERE kind = ? AND source_id = ?"
    connection.execute(sql, (imported["kind"], imported["source_id"]))


def _require_box(connection: sqlite3.Connection, box_id: str) -> None:
    if not connection.execute("SELECT 1 FROM boxes WHERE id = ? AND deleted_at IS NULL", (box_id,)).fetchone():
        raise BoxDeleted(f"there is no box {box_id!r}")


def _purge_message(connection: sqlite3.Connection, message_id: str, now: int) -> None:
    row = connection.execute("SELECT * FROM messages WHERE id = ?", (message_id,)).fetchone()
    if row is None:
        return  # Its owner deleted it, and retention has removed it.
    if row["deleted_at"] is None and row["expired_at"] is None:
        message = message_rows.message_from_row(row)
        counters.adjust_for_message(connection, message, message.folder, -1)
        events.enqueue_mwi(connection, message.account_id, message.box_id, now)
    removal.purge_message(connection, row, now, UNDONE)


def _remove_greeting(connection: sqlite3.Connection, imported: sqlite3.Row, now: int) -> bool:
    row = connection.execute("SELECT * FROM media WHERE id = ?", (imported["target_id"],)).fetchone()
    if row is None:
        return False
    media.deactivate_everywhere(connection, row["account_id"], MediaKind(row["kind"]), row["id"], now)
    removal.purge_media(connection, row, now, UNDONE)
    return True


def _remove_box(connection: sqlite3.Connection, imported: sqlite3.Row, now: int, remaining: list[str]) -> bool:
    """Remove a mailbox that holds nothing but what was imported."""
    sql = "SELECT * FROM boxes WHERE id = ? AND deleted_at IS NULL"
    row = connection.execute(sql, (imported["target_id"],)).fetchone()
    if row is None:
        return False
    holds = "SELECT 1 FROM messages WHERE box_id = ?1 UNION SELECT 1 FROM media WHERE box_id = ?1 LIMIT 1"
    if connection.execute(holds, (row["id"],)).fetchone():
        remaining.append(f"box {row['mailbox']}")
        return False
    connection.execute("UPDATE boxes SET deleted_at = ?, revision = revision + 1 WHERE id = ?", (now, row["id"]))
    connection.execute("DELETE FROM box_numbers WHERE box_id = ?", (row["id"],))
    events.enqueue_mwi(connection, row["account_id"], row["id"], now)
    return True


def _remove_user(connection: sqlite3.Connection, imported: sqlite3.Row, now: int, remaining: list[str]) -> bool:
    """Remove a user who owns no mailbox and no phone."""
    sql = "SELECT * FROM users WHERE id = ? AND deleted_at IS NULL"
    row = connection.execute(sql, (imported["target_id"],)).fetchone()
    if row is None:
        return False
    uses = (
        "SELECT 1 FROM boxes WHERE owner_id = ?1 AND deleted_at IS NULL"
        " UNION SELECT 1 FROM endpoints WHERE user_id = ?1 LIMIT 1"
    )
    if connection.execute(uses, (row["id"],)).fetchone():
        remaining.append(f"user {row['name']}")
        return False
    person_removal.purge_user(connection, row["id"], now)
    return True
