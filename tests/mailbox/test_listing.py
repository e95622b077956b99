"""Lists go along an index, and a page costs what its rows cost, however many there are."""

from __future__ import annotations

import sqlite3
from functools import partial

import pytest

from ivr.mailbox import listing
from ivr.mailbox.listing import BoxesWanted, MessagesWanted
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message import Folder
from ivr.mailbox.sqlite import listing as sqlite
from tests.mailbox.test_messages import plan_of
from tests.support.house import NOON, House


def fill(connection: sqlite3.Connection, box: Mailbox, count: int) -> None:
    """Rows of messages, one a second, every tenth of them saved."""
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO messages (id, account_id, box_id, folder, folder_at, arrival, urgent, time, length_ms,"
        " sample_rate, bytes, intro_ms, caller_number, history, revision, stored_at)"
        " SELECT printf('201605-%032x', i), ?, ?, CASE WHEN i % 10 THEN 'new' ELSE 'saved' END, i, i, 0, ? - i, 1000,"
        " 8000, 100, 0, i % 1000, '[]', 1, 1 FROM n",
        (count, box.account_id, box.id, NOON),
    )


def anything(_: object) -> bool:
    return True


QUERIES = {
    "all": MessagesWanted(50, anything),
    "oldest first": MessagesWanted(50, anything, ascending=True),
    "a folder": MessagesWanted(50, anything, folder=Folder.SAVED),
    "a caller": MessagesWanted(50, anything, caller="7"),
    "behind a key": MessagesWanted(50, anything, after=(NOON - 20, "201605-" + "f" * 32)),
    "a window of time": MessagesWanted(50, anything, since=NOON - 90, until=NOON - 10),
}


@pytest.mark.parametrize("query", QUERIES)
async def test_every_list_goes_along_an_index_and_sorts_nothing(house: House, query: str) -> None:
    box = await house.box()
    await house.app.database.write(lambda c: fill(c, box, 200))
    statements: list[str] = []

    def watched(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)
        wanted = QUERIES[query]
        account = ("listed_by_account", {"account_id": box.account_id})
        for index, where in (account, sqlite._index_for(box.id, wanted)):
            sqlite._page(sqlite._messages(connection, index, dict(where), wanted), wanted)
        for boxes in (BoxesWanted(50, anything), BoxesWanted(50, anything, ("1", "x"), ascending=False)):
            sqlite._page(sqlite._boxes(connection, box.account_id, boxes), boxes)
        connection.set_trace_callback(None)

    await house.app.database.read(watched)
    selects = [statement for statement in statements if statement.startswith("SELECT")]
    assert len(selects) >= 4
    for statement in selects:
        plan = await house.app.database.read(partial(plan_of, statement))
        assert all(step.startswith("SEARCH") for step in plan), f"{plan}: {statement}"


async def test_a_page_costs_the_same_out_of_many_as_out_of_few(house: House) -> None:
    few, many = await house.box("1000"), await house.box("1001")

    async def cost(box: Mailbox, query: MessagesWanted) -> int:
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
            page = sqlite._page(sqlite._messages(connection, index, where, query), query)
            connection.set_progress_handler(None, 1)
            assert len(page.found) == query.limit
            return taken

        return await house.app.database.read(ask)

    await house.app.database.write(lambda c: fill(c, few, 1000))
    small = {name: await cost(few, query) for name, query in QUERIES.items() if name != "a caller"}
    await house.app.database.write(lambda c: c.execute("DELETE FROM messages").rowcount)
    await house.app.database.write(lambda c: fill(c, many, 100_000))
    large = {name: await cost(many, query) for name, query in QUERIES.items() if name != "a caller"}
    assert large == small


async def test_a_filter_that_leaves_nothing_looks_at_so_many_and_no_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivr.mailbox.sqlite.listing.LOOKED_AT", 300)
    box = await house.box()
    await house.app.database.write(lambda c: fill(c, box, 1000))
    looked_at = 0

    def fits(listed: listing.ListedMessage) -> bool:
        nonlocal looked_at
        looked_at += 1
        return listed.message.caller.number == "990"

    after, found, pages = None, 0, 0
    while True:
        page = await house.app.rest.lists.messages_of_boxes([box.id], MessagesWanted(5, fits, after))
        found += len(page.found)
        pages += 1
        if (after := page.next) is None:
            break
    assert (found, pages) == (1, 4)
    assert looked_at == 1000
