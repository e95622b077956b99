"""Counts and bytes of each folder, for urgent and other messages separately.

The transaction that changes a folder changes its counters, so rows are never counted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import structlog

from ivr.errors import BoxFull
from ivr.storage.database import OWN_ROWS, Database
from ivr.storage.records import (
    MEGABYTE,
    BoxMwiCounts,
    EndpointMwiCounts,
    Folder,
    FolderCounts,
    Message,
    PublishedLights,
)
from ivr.storage.sqlite import box_users, events, message_rows, removal

_ROW = "(?, ?, ?, ?, ?, ?)"
_ADD_SQL = (
    "INSERT INTO folder_counters (account_id, box_id, folder, urgent, messages, bytes) VALUES {}"
    " ON CONFLICT (box_id, folder, urgent) DO UPDATE"
    " SET messages = folder_counters.messages + excluded.messages, bytes = folder_counters.bytes + excluded.bytes"
)


def adjust(
    connection: sqlite3.Connection,
    account_id: str,
    box_id: str,
    folder: str,
    messages: int,
    size_bytes: int,
    *,
    urgent: bool,
) -> None:
    """Change a folder's counters by `messages` and `size_bytes`, both of which may be negative."""
    values = (account_id, box_id, folder, int(urgent), messages, size_bytes)
    connection.execute(_ADD_SQL.format(_ROW), values)


def adjust_for_message(connection: sqlite3.Connection, message: Message, folder: Folder, delta: int) -> None:
    """Add (`delta` 1) or subtract (-1) a message. A message without audio is not counted."""
    if message.has_audio:
        adjust(
            connection, message.account_id, message.box_id, folder, delta, delta * message.bytes, urgent=message.urgent
        )


def move_message(connection: sqlite3.Connection, message: Message, folder: Folder) -> None:
    """Count a message in `folder`, another one, and no longer in its own."""
    if not message.has_audio:
        return
    box, urgent = (message.account_id, message.box_id), int(message.urgent)
    values = (*box, message.folder, urgent, -1, -message.bytes, *box, folder, urgent, 1, message.bytes)
    connection.execute(_ADD_SQL.format(f"{_ROW}, {_ROW}"), values)


def read_counts(connection: sqlite3.Connection, box_id: str) -> FolderCounts:
    """Return the counts of a mailbox."""
    sql = "SELECT folder, urgent, messages FROM folder_counters WHERE box_id = ?"
    return counts_from_rows(connection.execute(sql, (box_id,)).fetchall())


def counts_from_rows(rows: Iterable[sqlite3.Row]) -> FolderCounts:
    """Return the counts of one mailbox from its rows: folder, urgent, messages."""
    message_counts = {(row["folder"], row["urgent"]): int(row["messages"]) for row in rows}

    def total(folder: str, *urgencies: int) -> int:
        return sum(message_counts.get((folder, urgent), 0) for urgent in urgencies)

    return FolderCounts(
        new=total("new", 0, 1),
        saved=total("saved", 0, 1),
        deleted=total("deleted", 0, 1),
        urgent_new=total("new", 1),
        urgent_saved=total("saved", 1),
    )


def used_bytes(connection: sqlite3.Connection, box_id: str, exclude_folder: str | None = None) -> int:
    """Return the bytes of the messages in all folders but `exclude_folder`, and of the greetings of the mailbox."""
    messages = "SELECT coalesce(sum(bytes), 0) FROM folder_counters WHERE box_id = ? AND folder IS NOT ?"
    greetings = "SELECT coalesce(sum(bytes), 0) FROM media WHERE box_id = ? AND deleted_at IS NULL"
    row = connection.execute(f"SELECT ({messages}) + ({greetings})", (box_id, exclude_folder, box_id)).fetchone()
    return int(row[0])


_FOLDER_COUNT_SQL = "coalesce((SELECT sum(messages) FROM folder_counters WHERE box_id = boxes.id AND folder = '{}'), 0)"
_BOXES_SQL = (
    "SELECT boxes.id, boxes.account_id, boxes.mailbox, boxes.settings, boxes.deleted_at,"
    " accounts.realm,"
    f" {_FOLDER_COUNT_SQL.format('new')} AS new, {_FOLDER_COUNT_SQL.format('saved')} AS saved"
    " FROM boxes JOIN accounts ON accounts.id = boxes.account_id"
)
IS_ENABLED_SQL = "coalesce(json_type(boxes.settings, '$.enabled'), 'true') <> 'false'"
"""Whether a mailbox shows a light. A disabled one cannot be opened by phone, so its owner could not put it out."""
_BOXES_OF_USER_SQL = (
    "SELECT id FROM boxes WHERE account_id = endpoints.account_id AND owner_id = endpoints.user_id"
    f" AND deleted_at IS NULL AND {IS_ENABLED_SQL}"
    " UNION SELECT boxes.id FROM boxes, json_each(boxes.settings, '$.members') AS member"
    " WHERE boxes.account_id = endpoints.account_id AND deleted_at IS NULL"
    " AND json_extract(settings, '$.shared_vmbox') = 1 AND endpoints.user_id ="
    " CASE member.type WHEN 'object' THEN json_extract(member.value, '$.id') ELSE member.value END"
    f" AND {IS_ENABLED_SQL}"
)
"""The enabled mailboxes that the user of an endpoint owns or shares. The condition on `shared_vmbox` is the index's."""
_USERS_COUNT_SQL = (
    "coalesce((SELECT sum(messages) FROM ({}) AS own JOIN folder_counters ON folder_counters.box_id = own.id"
    " WHERE folder = '{}'), 0)"
)
ENDPOINTS_SQL = (
    f"SELECT endpoints.name, {_USERS_COUNT_SQL.format(_BOXES_OF_USER_SQL, 'new')} AS new,"
    f" {_USERS_COUNT_SQL.format(_BOXES_OF_USER_SQL, 'saved')} AS saved FROM endpoints"
    " WHERE endpoints.system = ? AND {}"
)
"""The counters are found by mailbox: a join on `IN (...)` reads all of them in PostgreSQL."""


class SqliteMwiCounts:
    """The `MwiStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def boxes(self, box_ids: Sequence[str]) -> list[BoxMwiCounts]:
        return await self._read_boxes(f"WHERE boxes.id IN ({_placeholders(box_ids)})", tuple(box_ids))

    async def box_page(self, after: str, limit: int) -> list[BoxMwiCounts]:
        where = "WHERE boxes.id > ? AND boxes.deleted_at IS NULL ORDER BY boxes.id LIMIT ?"
        return await self._read_boxes(where, (after, limit))

    async def published(
        self, system: str, box_ids: Collection[str], endpoints: Collection[str]
    ) -> list[PublishedLights]:
        subjects = [("box_id", sorted(box_ids)), ("endpoint", sorted(endpoints))]
        where = " OR ".join(f"{column} IN ({_placeholders(ids)})" for column, ids in subjects if ids)
        return await self._read_published(system, where or "false", [one for _, ids in subjects for one in ids])

    async def published_with_names(self, system: str, names: Collection[str]) -> list[PublishedLights]:
        return await self._read_published(system, f"name IN ({_placeholders(sorted(names))})", sorted(names))

    async def published_without_subject(self, system: str, limit: int) -> list[PublishedLights]:
        where = (
            "NOT EXISTS (SELECT 1 FROM boxes WHERE boxes.id = box_id AND deleted_at IS NULL) AND NOT EXISTS (SELECT 1"
            " FROM endpoints WHERE endpoints.system = asterisk AND endpoints.name = published_lights.endpoint)"
        )
        return await self._read_published(system, where, (limit,), "LIMIT ?")

    async def add_published(self, system: str, lights: Sequence[PublishedLights]) -> None:
        await self._database.write(lambda c: events.add_published_lights(c, system, lights), boxes=OWN_ROWS)

    async def record_published(
        self, system: str, box_ids: Sequence[str], former: Sequence[PublishedLights], now: int
    ) -> None:
        await self._database.write(
            lambda c: events.record_lights_published(c, system, box_ids, former, now), boxes=OWN_ROWS
        )

    async def endpoints_of_users(self, system: str, user_ids: Iterable[str]) -> list[EndpointMwiCounts]:
        users = sorted(set(user_ids))
        sql = ENDPOINTS_SQL.format(f"endpoints.user_id IN ({_placeholders(users)})")
        return await self._read_endpoints(sql, (system, *users))

    async def endpoints(self, system: str, endpoints: Iterable[str]) -> list[EndpointMwiCounts]:
        names = sorted(set(endpoints))
        sql = ENDPOINTS_SQL.format(f"endpoints.name IN ({_placeholders(names)})")
        return await self._read_endpoints(sql, (system, *names))

    async def endpoint_page(self, system: str, after: str, limit: int) -> list[EndpointMwiCounts]:
        sql = f"{ENDPOINTS_SQL.format('endpoints.name > ?')} ORDER BY endpoints.name LIMIT ?"
        return await self._read_endpoints(sql, (system, after, limit))

    async def _read_boxes(self, where: str, values: tuple[object, ...]) -> list[BoxMwiCounts]:
        rows = await self._database.read(lambda c: c.execute(f"{_BOXES_SQL} {where}", values).fetchall())
        return [_box_counts_from_row(row) for row in rows]

    async def _read_published(
        self, system: str, where: str, values: Sequence[str | int], limit: str = ""
    ) -> list[PublishedLights]:
        sql = "SELECT box_id, endpoint, name FROM published_lights WHERE asterisk = ?"
        sql = f"{sql} AND ({where}) ORDER BY 1, 2, 3 {limit}"
        rows = await self._database.read(lambda c: c.execute(sql, (system, *values)).fetchall())
        return [
            PublishedLights(box_id, endpoint, tuple(row["name"] for row in of_subject))
            for (box_id, endpoint), of_subject in groupby(rows, lambda row: (row["box_id"], row["endpoint"]))
        ]

    async def _read_endpoints(self, sql: str, values: tuple[object, ...]) -> list[EndpointMwiCounts]:
        rows = await self._database.read(lambda c: c.execute(sql, values).fetchall())
        return [EndpointMwiCounts(row["name"], row["new"], row["saved"]) for row in rows]


def _placeholders(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _box_counts_from_row(row: sqlite3.Row) -> BoxMwiCounts:
    settings = json.loads(row["settings"])
    return BoxMwiCounts(
        box_id=row["id"],
        account_id=row["account_id"],
        realm=row["realm"],
        user_ids=box_users.user_ids(settings),
        mailbox=row["mailbox"],
        numbers=tuple(map(str, settings.get("numbers", ()))),
        is_deleted=row["deleted_at"] is not None,
        is_enabled=settings.get("enabled", True),
        new=row["new"],
        saved=row["saved"],
    )


log = structlog.get_logger()


@contextmanager
def make_space(
    connection: sqlite3.Connection,
    box_id: str,
    now: int,
    *,
    exclude_ids: Collection[str] = (),
    exempt_from_quota: bool = False,
) -> Iterator[list[Message]]:
    """Enforce the quota on what the `with` block adds: purge the oldest messages of `deleted` until the quota holds.

    Yields a list that contains the purged messages after the block; their files have to be deleted. The messages
    `exclude_ids` are never purged. A block that does not increase the bytes of the mailbox always succeeds. Raises
    `BoxFull` if purging is not enough, unless `exempt_from_quota`.
    """
    quota_bytes = _quota_bytes(connection, box_id)
    bytes_before = used_bytes(connection, box_id) if quota_bytes else 0
    purged: list[Message] = []
    yield purged
    if not quota_bytes or used_bytes(connection, box_id) <= bytes_before:
        return
    while used_bytes(connection, box_id) > quota_bytes:
        oldest = message_rows.oldest_message(connection, box_id, Folder.DELETED, exclude_ids=exclude_ids)
        if oldest is None:
            if exempt_from_quota:
                return
            quota_mb = quota_bytes // MEGABYTE
            raise BoxFull(f"the box is full, its quota of {quota_mb} MB is used up: delete messages or raise quota_mb")
        removal.soft_delete_and_purge(connection, oldest, now, "the quota")
        purged.append(oldest)


def log_purged(purged: list[Message]) -> None:
    """Log each purged message."""
    for message in purged:
        log.info("message.purged", message=message.id, box=message.box_id, why="the quota")


def _quota_bytes(connection: sqlite3.Connection, box_id: str) -> int:
    """Return the current quota in bytes, not one that was read before the transaction; 0: no quota."""
    sql = "SELECT json_extract(settings, '$.quota_mb') FROM boxes WHERE id = ?"
    row = connection.execute(sql, (box_id,)).fetchone()
    return int((row and row[0]) or 0) * MEGABYTE
