"""Lists of messages and boxes, in SQLite: each along one index, some rows at a time, behind the last key."""

from __future__ import annotations

import heapq
import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from ivr.database.file import Database
from ivr.mailbox.listing import LOOKED_AT, BoxesWanted, ListedBox, ListedMessage, MessagesWanted, Page
from ivr.mailbox.sqlite import counters, rows
from ivr.mailbox.store import BoxRow

CHUNK = 500
"""Rows fetched at a time, once the first page's worth did not do."""

T = TypeVar("T", ListedMessage, ListedBox)


class SqliteLists:
    """The `Lists` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def messages_of_account(self, account_id: str, wanted: MessagesWanted) -> Page[ListedMessage, Any]:
        return await self._database.read(
            lambda c: _page(_messages(c, "listed_by_account", {"account_id": account_id}, wanted), wanted)
        )

    async def messages_of_boxes(self, box_ids: Sequence[str], wanted: MessagesWanted) -> Page[ListedMessage, Any]:
        def question(connection: sqlite3.Connection) -> Page[ListedMessage, Any]:
            each = [_messages(connection, *_index_for(box_id, wanted), wanted) for box_id in box_ids]
            return _page(heapq.merge(*each, key=lambda m: m.key, reverse=not wanted.ascending), wanted)

        return await self._database.read(question)

    async def boxes(self, account_id: str, wanted: BoxesWanted) -> Page[ListedBox, Any]:
        return await self._database.read(lambda c: _page(_boxes(c, account_id, wanted), wanted))


def _page(there: Iterable[T], wanted: Any) -> Page[T, Any]:
    """The first that fit, and whether there are more: known for sure, unless too much would have to be looked at."""
    found: list[T] = []
    for looked_at, one in enumerate(there):
        if wanted.fits(one):
            if len(found) == wanted.limit:
                return Page(found, found[-1].key)
            found.append(one)
        if looked_at >= LOOKED_AT:
            return Page(found, one.key)
    return Page(found, None)


def _index_for(box_id: str, wanted: MessagesWanted) -> tuple[str, dict[str, object]]:
    if wanted.folder is not None:
        return "listed_by_folder", {"box_id": box_id, "folder": wanted.folder}
    if wanted.caller is not None:
        return "listed_by_caller", {"box_id": box_id, "caller_number": wanted.caller}
    return "listed_by_box", {"box_id": box_id}


def _messages(
    connection: sqlite3.Connection, index: str, where: dict[str, object], wanted: MessagesWanted
) -> Iterator[ListedMessage]:
    sql = (
        f"SELECT * FROM messages INDEXED BY {index} WHERE {' AND '.join(f'{column} = ?' for column in where)}"
        f" AND time >= ? AND time <= ? AND {rows.LIVE}"
    )
    values = (*where.values(), wanted.since, wanted.until)
    step = partial(_behind, connection, sql, values, ("time", "id"), wanted.ascending)
    for row in _all_behind(step, wanted.after, lambda row: (row["time"], row["id"]), wanted.limit + 1):
        yield ListedMessage(rows.message(row), row["folder_at"])


def _boxes(connection: sqlite3.Connection, account_id: str, wanted: BoxesWanted) -> Iterator[ListedBox]:
    sql = "SELECT * FROM boxes INDEXED BY listed_boxes WHERE account_id = ? AND deleted_at IS NULL"
    step = partial(_behind, connection, sql, (account_id,), ("mailbox", "id"), wanted.ascending)
    for row in _all_behind(step, wanted.after, lambda row: (row["mailbox"], row["id"]), wanted.limit + 1):
        box = BoxRow(row["id"], row["account_id"], json.loads(row["settings"]), row["revision"])
        yield ListedBox(box, counters.counts(connection, box.id), row["created_at"], row["modified_at"])


def _all_behind(
    step: Callable[[Any, int], list[sqlite3.Row]], after: Any, key: Callable[[sqlite3.Row], Any], first: int
) -> Iterator[sqlite3.Row]:
    for limit in itertools.chain([min(first, CHUNK)], itertools.repeat(CHUNK)):
        found = step(after, limit)
        yield from found
        if len(found) < limit:
            return
        after = key(found[-1])


def _behind(
    connection: sqlite3.Connection, sql: str, values: tuple[object, ...], order: tuple[str, str], ascending: bool,
    after: tuple[object, ...] | None, limit: int,
) -> list[sqlite3.Row]:  # fmt: skip
    beyond, direction = (">", "ASC") if ascending else ("<", "DESC")
    if after:
        sql += f" AND ({', '.join(order)}) {beyond} (?, ?)"
        values += after
    sql += f" ORDER BY {', '.join(f'{column} {direction}' for column in order)} LIMIT ?"
    return connection.execute(sql, (*values, limit)).fetchall()
