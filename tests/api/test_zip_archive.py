"""Messages of an archive are prepared ahead of the one that is sent."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.api.zip_archive import run_ahead


@given(st.integers(0, 12), st.integers(0, 5), st.data())
async def test_results_come_in_order_and_only_a_few_run_ahead(count: int, ahead: int, data: st.DataObject) -> None:
    delays = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    running = most = 0

    async def work(n: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(delays[n]):
            await asyncio.sleep(0)
        running -= 1
        return n * n

    found = [(item, task.result()) async for item, task in run_ahead(work, range(count), ahead)]
    assert found == [(n, n * n) for n in range(count)]
    assert most <= ahead + 1


async def test_closing_cancels_what_runs_ahead() -> None:
    started: list[int] = []
    cancelled: list[int] = []

    async def work(n: int) -> None:
        started.append(n)
        try:
            await (asyncio.sleep(0) if n == 0 else asyncio.Event().wait())
        except asyncio.CancelledError:
            cancelled.append(n)
            raise

    async with aclosing(run_ahead(work, range(100), 3)) as results:
        await anext(results)
    assert started == [0, 1, 2, 3]
    assert cancelled == [1, 2, 3]


async def test_failed_work_is_reported_with_its_item() -> None:
    async def work(n: int) -> int:
        return 1 // n

    results = [task async for _, task in run_ahead(work, [1, 0, 2], 1)]
    assert results[0].result() == 1
    with pytest.raises(ZeroDivisionError):
        results[1].result()
    assert results[2].result() == 0
