"""Lists go along an index, and a page costs what its rows cost, however many there are."""

from __future__ import annotations

import sqlite3
from functools import partial

import pytest

from ivr.mailbox.mailbox import Mailbox
from ivr.storage import records as listing
from ivr.storage.records import BoxQuery, Folder, MessageQuery
from ivr.storage.sqlite import listing as sqlite
from tests.storage.test_messages import query_plan
from tests.support.app_fixture import NOON, AppFixture


def insert_messages(connection: sqlite3.Connection, box: Mailbox, count: int) -> None:
    """Rows of messages, one a second, every tenth of them saved."""
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO messages (id, account_id, box_id, folder, folder_changed_at, arrival_seq, urgent, time,"
        " length_ms, sample_rate, bytes, intro_ms, caller_number, history, revision, stored_at)"
        " SELECT printf('201605-%032x', i), ?, ?, CASE WHEN i % 10 THEN 'new' ELSE 'saved' END, i, i, 0, ? - i,"
        " 1000, 8000, 100, 0, i % 1000, '[]', 1, 1 FROM n",
        (count, box.account_id, box.id, NOON),
    )


def match_all(_: object) -> bool:
    return True


QUERIES = {
    "all": MessageQuery(50, match_all),
    "oldest first": MessageQuery(50, match_all, ascending=True),
    "a folder": MessageQuery(50, match_all, folder=Folder.SAVED),
    "a caller": MessageQuery(50, match_all, caller_number="7"),
    "behind a key": MessageQuery(50, match_all, after=(NOON - 20, "201605-" + "f" * 32)),
    "a window of time": MessageQuery(50, match_all, since=NOON - 90, until=NOON - 10),
}


@pytest.mark.parametrize("query", QUERIES)
async def test_every_list_goes_along_an_index_and_sorts_nothing(app: AppFixture, query: str) -> None:
    box = await app.create_box()
    await app.container.database.write(lambda c: insert_messages(c, box, 200))
    statements: list[str] = []

    def watched(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)
        wanted = QUERIES[query]
        account = ("messages_by_account", {"account_id": box.account_id})
        for index, where in (account, sqlite._index_for(box.id, wanted)):
            sqlite._build_page(sqlite._iter_messages(connection, index, dict(where), wanted), wanted)
        for boxes in (BoxQuery(50, match_all), BoxQuery(50, match_all, ("1", "x"), ascending=False)):
            sqlite._build_page(sqlite._iter_boxes(connection, box.account_id, boxes), boxes)
        connection.set_trace_callback(None)

    await app.container.database.read(watched)
    selects = [statement for statement in statements if statement.startswith("SELECT")]
    assert len(selects) >= 4
    for statement in selects:
        plan = await app.container.database.read(partial(query_plan, statement))
        assert all(step.startswith("SEARCH") for step in plan), f"{plan}: {statement}"


async def test_a_page_costs_the_same_out_of_many_as_out_of_few(app: AppFixture) -> None:
    few, many = await app.create_box("1000"), await app.create_box("1001")

    async def cost(box: Mailbox, query: MessageQuery) -> int:
        taken = 0

        def ask(connection: sqlite3.Connection) -> int:
            nonlocal taken
            taken = 0

            def step() -> int:
                nonlocal taken
                taken += 1
                return 0

            connection.set_progress_handler(step, 1)
            index, where = sqlite._index_for(box.id, query)
            page = sqlite._build_page(sqlite._iter_messages(connection, index, where, query), query)
            connection.set_progress_handler(None, 1)
            assert len(page.items) == query.limit
            return taken

        return await app.container.database.read(ask)

    await app.container.database.write(lambda c: insert_messages(c, few, 1000))
    small = {name: await cost(few, query) for name, query in QUERIES.items() if name != "a caller"}
    await app.container.database.write(lambda c: c.execute("DELETE FROM messages").rowcount)
    await app.container.database.write(lambda c: insert_messages(c, many, 100_000))
    large = {name: await cost(many, query) for name, query in QUERIES.items() if name != "a caller"}
    assert large == small


async def test_filter_without_matches_scans_limited_rows(app: AppFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivr.storage.sqlite.listing.MAX_ROWS_SCANNED", 300)
    box = await app.create_box()
    await app.container.database.write(lambda c: insert_messages(c, box, 1000))
    looked_at = 0

    def fits(listed: listing.MessageSummary) -> bool:
        nonlocal looked_at
        looked_at += 1
        return listed.message.caller.number == "990"

    after, found, pages = None, 0, 0
    while True:
        page = await app.container.api_services.mailbox.lists.list_box_messages([box.id], MessageQuery(5, fits, after))
        found += len(page.items)
        pages += 1
        if (after := page.next_key) is None:
            break
    assert (found, pages) == (1, 4)
    assert looked_at == 1000
