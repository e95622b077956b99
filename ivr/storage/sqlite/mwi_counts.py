"""Counts for message lights, in SQLite: one statement, whatever the number of mailboxes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from ivr.storage.records import BoxMwiCounts, EndpointMwiCounts
from ivr.storage.sqlite.database import Database

_FOLDER_COUNT_SQL = "coalesce((SELECT messages FROM folder_counters WHERE box_id = boxes.id AND folder = '{}'), 0)"
_BOXES_SQL = (
    "SELECT boxes.id, boxes.account_id, boxes.mailbox, boxes.owner_id, boxes.settings, boxes.deleted_at,"
    " accounts.realm,"
    f" {_FOLDER_COUNT_SQL.format('new')} AS new, {_FOLDER_COUNT_SQL.format('saved')} AS saved,"
    " EXISTS (SELECT 1 FROM box_numbers WHERE account_id = boxes.account_id AND number = boxes.mailbox) AS in_use"
    " FROM boxes JOIN accounts ON accounts.id = boxes.account_id"
)
_ENDPOINTS_SQL = (
    "SELECT endpoints.name, coalesce(sum(CASE folder WHEN 'new' THEN messages END), 0) AS new,"
    " coalesce(sum(CASE folder WHEN 'saved' THEN messages END), 0) AS saved FROM endpoints"
    " LEFT JOIN boxes ON boxes.account_id = endpoints.account_id AND boxes.owner_id = endpoints.user_id"
    " AND boxes.deleted_at IS NULL"
    " LEFT JOIN folder_counters ON folder_counters.box_id = boxes.id"
    " WHERE endpoints.system = ? AND {} GROUP BY endpoints.name"
)


class SqliteMwiCounts:
    """The `MwiStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def boxes(self, box_ids: Sequence[str]) -> list[BoxMwiCounts]:
        return await self._read_boxes(f"WHERE boxes.id IN ({_placeholders(box_ids)})", tuple(box_ids))

    async def box_page(self, after: str, limit: int) -> list[BoxMwiCounts]:
        where = "WHERE boxes.id > ? AND boxes.deleted_at IS NULL ORDER BY boxes.id LIMIT ?"
        return await self._read_boxes(where, (after, limit))

    async def endpoints_of_owners(self, system: str, owner_ids: Iterable[str]) -> list[EndpointMwiCounts]:
        owners = sorted(set(owner_ids))
        sql = _ENDPOINTS_SQL.format(f"endpoints.user_id IN ({_placeholders(owners)})")
        return await self._read_endpoints(sql, (system, *owners))

    async def endpoints(self, system: str, endpoints: Iterable[str]) -> list[EndpointMwiCounts]:
        names = sorted(set(endpoints))
        sql = _ENDPOINTS_SQL.format(f"endpoints.name IN ({_placeholders(names)})")
        return await self._read_endpoints(sql, (system, *names))

    async def endpoint_page(self, system: str, after: str, limit: int) -> list[EndpointMwiCounts]:
        sql = f"{_ENDPOINTS_SQL.format('endpoints.name > ?')} ORDER BY endpoints.name LIMIT ?"
        return await self._read_endpoints(sql, (system, after, limit))

    async def _read_boxes(self, where: str, values: tuple[object, ...]) -> list[BoxMwiCounts]:
        rows = await self._database.read(lambda c: c.execute(f"{_BOXES_SQL} {where}", values).fetchall())
        return [_box_counts_from_row(row) for row in rows]

    async def _read_endpoints(self, sql: str, values: tuple[object, ...]) -> list[EndpointMwiCounts]:
        rows = await self._database.read(lambda c: c.execute(sql, values).fetchall())
        return [EndpointMwiCounts(row["name"], row["new"], row["saved"]) for row in rows]


def _placeholders(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _box_counts_from_row(row: sqlite3.Row) -> BoxMwiCounts:
    return BoxMwiCounts(
        box_id=row["id"],
        account_id=row["account_id"],
        realm=row["realm"],
        owner_id=row["owner_id"],
        mailbox=row["mailbox"],
        numbers=tuple(map(str, json.loads(row["settings"]).get("numbers", ()))),
        is_deleted=row["deleted_at"] is not None,
        is_number_in_use=bool(row["in_use"]),
        new=row["new"],
        saved=row["saved"],
    )
