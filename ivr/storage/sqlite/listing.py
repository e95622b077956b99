"""Lists of messages and mailboxes, in SQLite: each reads along one index, a few rows at a time, after the last key."""

from __future__ import annotations

import heapq
import itertools
import json
import sqlite3
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from ivr.storage.database import Database
from ivr.storage.read_cache import ReadCache
from ivr.storage.records import MAX_ROWS_SCANNED, BoxQuery, BoxRecord, BoxSummary, MessageQuery, MessageSummary, Page
from ivr.storage.sqlite import counters, message_rows, message_search

FETCH_SIZE = 500
"""Rows per fetch, after a first fetch of one page was not enough."""

MAX_CACHED_PAGES = 200
MAX_CACHED_PAGE_SIZE = 100

T = TypeVar("T", MessageSummary, BoxSummary)


class SqliteListing:
    """The `ListingStore` of one database file. `max_rows_scanned`: rows that are read for one page at most."""

    def __init__(self, database: Database, *, max_rows_scanned: int = MAX_ROWS_SCANNED) -> None:
        self._database = database
        self._pages = ReadCache(database.change_fingerprint, max_entries=MAX_CACHED_PAGES)
        self._max_rows_scanned = max_rows_scanned

    async def list_account_messages(self, account_id: str, query: MessageQuery) -> Page[MessageSummary, Any]:
        def read_page(connection: sqlite3.Connection) -> Page[MessageSummary, Any]:
            where: dict[str, object] = {"account_id": account_id}
            if query.search:
                return _build_page(_iter_found(connection, account_id, where, query), query, self._max_rows_scanned)
            messages = _iter_messages(connection, "messages_by_account", where, query)
            return _build_page(messages, query, self._max_rows_scanned)

        return await self._read_messages(account_id, query, read_page)

    async def list_box_messages(self, box_ids: Sequence[str], query: MessageQuery) -> Page[MessageSummary, Any]:
        def merge_boxes(connection: sqlite3.Connection) -> Page[MessageSummary, Any]:
            boxes = [_iter_box(connection, box_id, query) for box_id in box_ids]
            messages = heapq.merge(*boxes, key=lambda m: m.sort_key, reverse=not query.ascending)
            return _build_page(messages, query, self._max_rows_scanned)

        return await self._read_messages(tuple(box_ids), query, merge_boxes)

    async def _read_messages(
        self, source: Hashable, query: MessageQuery, read: Callable[[sqlite3.Connection], Page[MessageSummary, Any]]
    ) -> Page[MessageSummary, Any]:
        """Read a page of an account or of boxes, or reuse it if it is short and nothing was committed since."""
        if query.matches_key is None or query.limit > MAX_CACHED_PAGE_SIZE:
            return await self._database.read(read)
        page: Page[MessageSummary, Any] = await self._pages.get(
            (source, replace(query, matches=_matches_nothing)), lambda: self._database.read(read)
        )
        return page

    async def list_boxes(self, account_id: str, query: BoxQuery) -> Page[BoxSummary, Any]:
        return await self._database.read(
            lambda c: _build_page(_iter_boxes(c, account_id, query), query, self._max_rows_scanned)
        )


def _matches_nothing(summary: MessageSummary) -> bool:
    """Stands for the filter of a query in a key: `matches_key` tells filters apart."""
    return False


def _build_page(candidates: Iterable[T], query: Any, max_rows_scanned: int = MAX_ROWS_SCANNED) -> Page[T, Any]:
    """Return the first matches, and the key to continue with if there are more or the scan limit was reached."""
    items: list[T] = []
    for row_count, candidate in enumerate(candidates):
        if query.matches(candidate):
            if len(items) == query.limit:
                return Page(items, items[-1].sort_key)
            items.append(candidate)
        if row_count >= max_rows_scanned:
            return Page(items, candidate.sort_key)
    return Page(items, None)


def _iter_box(connection: sqlite3.Connection, box_id: str, query: MessageQuery) -> Iterator[MessageSummary]:
    index, where = _index_for(box_id, query)
    if query.search:
        return _iter_found(connection, box_id, where, query)
    return _iter_messages(connection, index, where, query)


def _iter_found(
    connection: sqlite3.Connection, place: str, where: dict[str, object], query: MessageQuery
) -> Iterator[MessageSummary]:
    for row in message_search.iter_matches(connection, place, where, query):
        yield MessageSummary(message_rows.message_from_row(row), row["folder_changed_at"])


def _index_for(box_id: str, query: MessageQuery) -> tuple[str, dict[str, object]]:
    if query.folder is not None:
        return "messages_by_folder", {"box_id": box_id, "folder": query.folder}
    if query.caller_number is not None:
        return "messages_by_caller", {"box_id": box_id, "caller_number": query.caller_number}
    return "messages_by_box", {"box_id": box_id}


def _iter_messages(
    connection: sqlite3.Connection, index: str, where: dict[str, object], query: MessageQuery
) -> Iterator[MessageSummary]:
    sql = (
        f"SELECT * FROM messages INDEXED BY {index} WHERE {' AND '.join(f'{column} = ?' for column in where)}"
        f" AND time >= ? AND time <= ? AND retention_from >= ? AND {message_rows.IS_VISIBLE}"
    )
    values = (*where.values(), query.since, query.until, query.not_before)
    fetch = partial(_rows_after, connection, sql, values, ("time", "id"), query.ascending)
    for row in _iter_rows_after(fetch, query.after, lambda row: (row["time"], row["id"]), query.limit + 1):
        yield MessageSummary(message_rows.message_from_row(row), row["folder_changed_at"])


def _iter_boxes(connection: sqlite3.Connection, account_id: str, query: BoxQuery) -> Iterator[BoxSummary]:
    sql = "SELECT * FROM boxes INDEXED BY boxes_by_mailbox WHERE account_id = ? AND deleted_at IS NULL"
    fetch = partial(_rows_after, connection, sql, (account_id,), ("mailbox", "id"), query.ascending)
    for row in _iter_rows_after(fetch, query.after, lambda row: (row["mailbox"], row["id"]), query.limit + 1):
        box = BoxRecord(row["id"], row["account_id"], json.loads(row["settings"]), row["revision"])
        yield BoxSummary(box, counters.read_counts(connection, box.id), row["created_at"], row["modified_at"])


def _iter_rows_after(
    fetch: Callable[[Any, int], list[sqlite3.Row]], after: Any, key: Callable[[sqlite3.Row], Any], first_limit: int
) -> Iterator[sqlite3.Row]:
    for limit in itertools.chain([min(first_limit, FETCH_SIZE)], itertools.repeat(FETCH_SIZE)):
        rows = fetch(after, limit)
        yield from rows
        if len(rows) < limit:
            return
        after = key(rows[-1])


def _rows_after(
    connection: sqlite3.Connection,
    sql: str,
    values: tuple[object, ...],
    order: tuple[str, str],
    ascending: bool,
    after: tuple[object, ...] | None,
    limit: int,
) -> list[sqlite3.Row]:
    comparison, direction = (">", "ASC") if ascending else ("<", "DESC")
    if after:
        sql += f" AND ({', '.join(order)}) {comparison} (?, ?)"
        values += after
    sql += f" ORDER BY {', '.join(f'{column} {direction}' for column in order)} LIMIT ?"
    return connection.execute(sql, (*values, limit)).fetchall()
