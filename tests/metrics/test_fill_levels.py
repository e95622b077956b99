"""Mailboxes are counted a page at a time, along an index."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial

from ivr.mailbox.fill_levels import Fill, FillCounter
from tests.storage.test_messages import query_plan
from tests.support.app_fixture import AppFixture

WORK_TABLES = {"live_calls", "takes", "outbox", "CONSTANT"}
"""Tables that hold what is being done at this moment only."""


def new_counter(app: AppFixture, page_size: int) -> FillCounter:
    return FillCounter(app.container.statistics_store, app.settings.voicemail, app.container.clock, page_size=page_size)


async def test_pages_are_counted_one_for_each_request_and_shown_when_all_are(app: AppFixture) -> None:
    for number in range(1000, 1005):
        await app.create_box(str(number))
    counter = new_counter(app, page_size=2)
    assert await counter.advance() is None
    assert await counter.advance() is None
    complete = await counter.advance()
    assert complete
    assert complete.boxes == {Fill.NORMAL: 5, Fill.NEARLY_FULL: 0, Fill.FULL: 0}
    await app.create_box("1005")
    assert await counter.advance() is complete, "the last complete count, until the next one is"


async def test_requests_at_the_same_time_count_each_mailbox_once(app: AppFixture) -> None:
    for number in range(1000, 1005):
        await app.create_box(str(number))
    counter = new_counter(app, page_size=2)
    counts = await asyncio.gather(*(counter.advance() for _ in range(6)))
    assert [sum(count.boxes.values()) for count in counts if count] == [5, 5, 5, 5]


async def test_pages_read_counters_along_an_index_and_no_messages(app: AppFixture) -> None:
    statements: list[str] = []

    def trace(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)

    await app.container.database.read(trace)
    for _ in range(20):  # One of the reader threads is traced.
        await app.container.statistics_store.box_content_page("", 10)
        await app.container.statistics_store.read_work()
        await app.container.outbox.backlog_by_kind()
    assert statements
    for statement in set(statements):
        plan = await app.container.database.read(partial(query_plan, statement))
        for step in plan:
            table = step.split()[1]
            is_bounded = step.startswith(("SEARCH", "SCALAR", "CORRELATED")) or table in WORK_TABLES
            assert is_bounded, f"{step}: {statement}"
            assert table != "messages"
