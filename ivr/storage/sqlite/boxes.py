"""Mailboxes and their numbers, in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from typing import NoReturn

from ivr.clock import Clock
from ivr.errors import Conflict, NotFound
from ivr.storage.database import Database
from ivr.storage.records import BoxNumberUse, BoxRecord, BoxUsage, TakeState
from ivr.storage.sqlite import box_users, counters, events, message_rows, removal

NOT_DELETED = "boxes.deleted_at IS NULL"


class SqliteBoxes:
    """The `BoxStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, box: BoxRecord) -> None:
        now = int(self._clock.now())
        await self._database.write(lambda connection: insert_box(connection, box, now))

    async def get(self, box_id: str) -> BoxRecord:
        row = await self._database.read_directory_row(f"SELECT * FROM boxes WHERE id = ? AND {NOT_DELETED}", box_id)
        if row is None:
            raise NotFound(f"there is no box {box_id!r}")
        return _box_from_row(row)

    async def find_by_number(self, account_id: str, number: str) -> BoxRecord | None:
        sql = (
            "SELECT boxes.* FROM box_numbers JOIN boxes ON boxes.id = box_numbers.box_id"
            f" WHERE box_numbers.account_id = ? AND box_numbers.number = ? AND {NOT_DELETED}"
        )
        row = await self._database.read_directory_row(sql, account_id, number)
        return _box_from_row(row) if row else None

    async def list_uses_of_number(self, number: str) -> list[BoxNumberUse]:
        sql = (
            "SELECT boxes.id, accounts.id, accounts.name, accounts.realm FROM box_numbers"
            " JOIN boxes ON boxes.id = box_numbers.box_id AND boxes.deleted_at IS NULL"
            " JOIN accounts ON accounts.id = box_numbers.account_id AND accounts.deleted_at IS NULL"
            " WHERE box_numbers.number = ?"
        )
        return [BoxNumberUse(*row) for row in await self._database.read(lambda c: c.execute(sql, (number,)).fetchall())]

    async def list_by_owner(self, account_id: str, owner_id: str, limit: int) -> list[BoxRecord]:
        sql = f"SELECT * FROM boxes WHERE account_id = ? AND owner_id = ? AND {NOT_DELETED} ORDER BY mailbox LIMIT ?"
        rows = await self._database.read(lambda c: c.execute(sql, (account_id, owner_id, limit)).fetchall())
        return [_box_from_row(row) for row in rows]

    async def list_by_account(self, account_id: str) -> list[BoxRecord]:
        sql = f"SELECT * FROM boxes WHERE account_id = ? AND {NOT_DELETED} ORDER BY mailbox"
        return [
            _box_from_row(row) for row in await self._database.read(lambda c: c.execute(sql, (account_id,)).fetchall())
        ]

    async def replace(self, box: BoxRecord) -> BoxRecord:
        now = int(self._clock.now())
        await self._database.write(lambda connection: update_box(connection, box, now))
        return await self.get(box.id)

    async def soft_delete(self, box_id: str, *, expected_revision: int | None = None) -> None:
        now = int(self._clock.now())

        def soft_delete_box(connection: sqlite3.Connection) -> None:
            sql = f"UPDATE boxes SET deleted_at = ? WHERE id = ? AND {NOT_DELETED} RETURNING account_id, revision"
            row = connection.execute(sql, (now, box_id)).fetchone()
            if row is None:
                raise NotFound(f"there is no box {box_id!r}")
            message_rows.check_revision(row["revision"], expected_revision)
            connection.execute("DELETE FROM box_numbers WHERE box_id = ?", (box_id,))
            # What was deleted before in this second is not restored with the mailbox, which goes by the time.
            connection.execute(
                "UPDATE messages SET deleted_at = ? WHERE box_id = ? AND deleted_at = ?", (now - 1, box_id, now)
            )
            connection.execute(
                "UPDATE messages SET deleted_at = ?, revision = revision + 1 WHERE box_id = ? AND deleted_at IS NULL",
                (now, box_id),
            )
            connection.execute("UPDATE folder_counters SET messages = 0, bytes = 0 WHERE box_id = ?", (box_id,))
            # Takes that await the owner are left to recovery, which finds no mailbox for them.
            connection.execute("UPDATE takes SET state = ? WHERE box_id = ?", (TakeState.RECORDING, box_id))
            events.enqueue_mwi(connection, row["account_id"], box_id, now)

        await self._database.write(soft_delete_box)

    async def restore(self, account_id: str, number: str) -> BoxRecord:
        now = int(self._clock.now())

        def restore_box(connection: sqlite3.Connection) -> str:
            sql = (
                "SELECT * FROM boxes WHERE account_id = ? AND (mailbox = ? OR id = ?) AND deleted_at IS NOT NULL"
                " ORDER BY deleted_at DESC LIMIT 1"
            )
            row = connection.execute(sql, (account_id, number, number)).fetchone()
            if row is None:
                raise NotFound(f"there is no deleted box {number!r}: it is in use, was purged, or never existed")
            box = _box_from_row(row)
            connection.execute("UPDATE boxes SET deleted_at = NULL, revision = revision + 1 WHERE id = ?", (box.id,))
            _insert_numbers(connection, box)
            deleted_with_box = "SELECT id FROM messages WHERE box_id = ? AND deleted_at = ? AND expired_at IS NULL"
            for message in connection.execute(deleted_with_box, (box.id, row["deleted_at"])).fetchall():
                removal.undelete(connection, box.id, message["id"], now)
            events.enqueue_mwi(connection, account_id, box.id, now)
            return box.id

        return await self.get(await self._database.write(restore_box))


def insert_box(connection: sqlite3.Connection, box: BoxRecord, now: int) -> None:
    """Insert a mailbox with its numbers. Raises `Conflict` if one of them is in use in the account."""
    connection.execute(
        "INSERT INTO boxes (id, account_id, owner_id, mailbox, settings, revision, created_at, modified_at)"
        " VALUES (?, ?, ?, ?, ?, 1, ?, ?)",
        (
            box.id,
            box.account_id,
            box.settings.get("owner_id"),
            box.settings["mailbox"],
            json.dumps(dict(box.settings)),
            now,
            now,
        ),
    )
    _insert_numbers(connection, box)
    for folder in ("new", "saved", "deleted"):
        counters.adjust(connection, box.account_id, box.id, folder, 0, 0, urgent=False)


def update_box(connection: sqlite3.Connection, box: BoxRecord, now: int) -> None:
    """Store new settings of a mailbox, and enqueue the lights that follow. Raises `NotFound`, `Conflict`."""
    sql = f"SELECT settings FROM boxes WHERE id = ? AND revision = ? AND {NOT_DELETED}"
    before = connection.execute(sql, (box.id, box.revision)).fetchone()
    if before is None:
        _raise_update_conflict(connection, box.id)
    owner_id = box.settings.get("owner_id")
    connection.execute(
        "UPDATE boxes SET owner_id = ?, mailbox = ?, settings = ?, revision = revision + 1, modified_at = ?"
        " WHERE id = ?",
        (owner_id, box.settings["mailbox"], json.dumps(dict(box.settings)), now, box.id),
    )
    connection.execute("DELETE FROM box_numbers WHERE box_id = ?", (box.id,))
    _insert_numbers(connection, box)
    settings_before = json.loads(before["settings"])
    events.enqueue_mwi(connection, box.account_id, box.id, now)  # Its lights and users may have changed too.
    for user_id in set(box_users.user_ids(settings_before)).difference(box_users.user_ids(box.settings)):
        sql = "SELECT system, name FROM endpoints WHERE account_id = ? AND user_id = ?"
        for phone in connection.execute(sql, (box.account_id, user_id)).fetchall():
            events.enqueue_phone_mwi(connection, box.account_id, phone["system"], phone["name"], now)


def _insert_numbers(connection: sqlite3.Connection, box: BoxRecord) -> None:
    """Insert the number and the aliases of a mailbox. Raises `Conflict` if one of them is in use in the account."""
    numbers = [(box.settings["mailbox"], "mailbox"), *((alias, "alias") for alias in box.settings.get("aliases", ()))]
    for number, kind in numbers:
        try:
            sql = "INSERT INTO box_numbers VALUES (?, ?, ?, ?)"
            _ = connection.execute(sql, (box.account_id, number, box.id, kind)).rowcount
        except sqlite3.IntegrityError as error:
            raise Conflict(f"the number {number!r} is in use in this account: choose another") from error


def _raise_update_conflict(connection: sqlite3.Connection, box_id: str) -> NoReturn:
    if connection.execute(f"SELECT 1 FROM boxes WHERE id = ? AND {NOT_DELETED}", (box_id,)).fetchone():
        raise Conflict("the box was changed meanwhile: read it again")
    raise NotFound(f"there is no box {box_id!r}")


def _box_from_row(row: sqlite3.Row) -> BoxRecord:
    return BoxRecord(row["id"], row["account_id"], json.loads(row["settings"]), row["revision"])


_USAGE_SQL = (
    "SELECT boxes.id, last_sign_in_at, light_published_at,"
    " coalesce((SELECT sum(bytes) FROM folder_counters WHERE box_id = boxes.id), 0)"
    " + coalesce((SELECT sum(bytes) FROM media WHERE box_id = boxes.id AND deleted_at IS NULL), 0) AS size_bytes,"
    " (SELECT min(time) FROM messages WHERE box_id = boxes.id AND deleted_at IS NULL AND expired_at IS NULL"
    "  AND folder <> 'deleted') AS oldest_at"
    " FROM boxes WHERE account_id = ? AND deleted_at IS NULL"
)
_COUNTS_SQL = (
    "SELECT box_id, folder, urgent, messages FROM folder_counters"
    " WHERE box_id IN (SELECT id FROM boxes WHERE account_id = ? AND deleted_at IS NULL)"
)


class SqliteBoxUsage:
    """The `BoxUsageStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def usage_by_account(self, account_id: str) -> dict[str, BoxUsage]:
        return await self._database.read(lambda connection: _read_usage(connection, account_id))


def _read_usage(connection: sqlite3.Connection, account_id: str) -> dict[str, BoxUsage]:
    count_rows: defaultdict[str, list[sqlite3.Row]] = defaultdict(list)
    for row in connection.execute(_COUNTS_SQL, (account_id,)):
        count_rows[row["box_id"]].append(row)
    return {
        row["id"]: BoxUsage(
            counts=counters.counts_from_rows(count_rows[row["id"]]),
            size_bytes=row["size_bytes"],
            oldest_at=row["oldest_at"],
            last_sign_in_at=row["last_sign_in_at"],
            light_published_at=row["light_published_at"],
        )
        for row in connection.execute(_USAGE_SQL, (account_id,))
    }
