"""Lists read along an index, and the cost of a page depends on its own rows only."""

from __future__ import annotations

import sqlite3
from functools import partial

import pytest

from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import BoxQuery, Folder, MessageQuery, MessageSummary
from ivr.storage.sqlite import listing
from tests.storage.test_messages import query_plan
from tests.support.app_fixture import NOON, AppFixture


def insert_messages(connection: sqlite3.Connection, box: Mailbox, count: int) -> None:
    """Insert rows of messages, one per second; every tenth is in `saved`."""
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO messages (id, account_id, box_id, folder, folder_changed_at, arrival_seq, urgent, time,"
        " length_ms, sample_rate, bytes, intro_ms, caller_number, history, revision, stored_at, retention_from)"
        " SELECT printf('201605-%032x', i), ?, ?, CASE WHEN i % 10 THEN 'new' ELSE 'saved' END, i, i, 0, ? - i,"
        " 1000, 8000, 100, 0, i % 1000, '[]', 1, 1, ? - i FROM n",
        (count, box.account_id, box.id, NOON, NOON),
    )


def match_all(_: object) -> bool:
    return True


QUERIES = {
    "all": MessageQuery(50, match_all),
    "oldest first": MessageQuery(50, match_all, ascending=True),
    "a folder": MessageQuery(50, match_all, folder=Folder.SAVED),
    "a caller": MessageQuery(50, match_all, caller_number="7"),
    "after a key": MessageQuery(50, match_all, after=(NOON - 20, "201605-" + "f" * 32)),
    "a window of time": MessageQuery(50, match_all, since=NOON - 90, until=NOON - 10),
}


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.sqlite_only
async def test_list_queries_use_an_index_without_sorting(app: AppFixture, query: str) -> None:
    box = await app.create_box()
    await app.container.database.write(lambda c: insert_messages(c, box, 200))
    statements: list[str] = []

    def trace_queries(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)
        message_query = QUERIES[query]
        account = ("messages_by_account", {"account_id": box.account_id})
        for index, where in (account, listing._index_for(box.id, message_query)):
            listing._build_page(listing._iter_messages(connection, index, dict(where), message_query), message_query)
        for box_query in (BoxQuery(50, match_all), BoxQuery(50, match_all, ("1", "x"), ascending=False)):
            listing._build_page(listing._iter_boxes(connection, box.account_id, box_query), box_query)
        connection.set_trace_callback(None)

    await app.container.database.read(trace_queries)
    selects = [statement for statement in statements if statement.startswith("SELECT")]
    assert len(selects) >= 4
    for statement in selects:
        plan = await app.container.database.read(partial(query_plan, statement))
        assert all(step.startswith("SEARCH") for step in plan), f"{plan}: {statement}"


@pytest.mark.sqlite_only
async def test_cost_of_page_is_independent_of_number_of_messages(app: AppFixture) -> None:
    few, many = await app.create_box("1000"), await app.create_box("1001")

    async def count_steps(box: Mailbox, query: MessageQuery) -> int:
        steps = 0

        def read_page(connection: sqlite3.Connection) -> int:
            nonlocal steps
            steps = 0

            def count_step() -> int:
                nonlocal steps
                steps += 1
                return 0

            connection.set_progress_handler(count_step, 1)
            index, where = listing._index_for(box.id, query)
            page = listing._build_page(listing._iter_messages(connection, index, where, query), query)
            connection.set_progress_handler(None, 1)
            assert len(page.items) == query.limit
            return steps

        return await app.container.database.read(read_page)

    await app.container.database.write(lambda c: insert_messages(c, few, 1000))
    small = {name: await count_steps(few, query) for name, query in QUERIES.items() if name != "a caller"}
    await app.container.database.write(lambda c: c.execute("DELETE FROM messages").rowcount)
    await app.container.database.write(lambda c: insert_messages(c, many, 20_000))
    large = {name: await count_steps(many, query) for name, query in QUERIES.items() if name != "a caller"}
    assert large == small


@pytest.mark.sqlite_only
async def test_filter_without_matches_scans_limited_rows(app: AppFixture) -> None:
    store = listing.SqliteListing(app.container.database, max_rows_scanned=300)
    box = await app.create_box()
    await app.container.database.write(lambda c: insert_messages(c, box, 1000))
    row_count = 0

    def matches(summary: MessageSummary) -> bool:
        nonlocal row_count
        row_count += 1
        return summary.message.caller.number == "990"

    after, match_count, page_count = None, 0, 0
    while True:
        page = await store.list_box_messages([box.id], MessageQuery(5, matches, after))
        match_count += len(page.items)
        page_count += 1
        if (after := page.next_key) is None:
            break
    assert (match_count, page_count) == (1, 4)
    assert row_count == 1000
