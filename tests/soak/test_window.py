"""What a service that leaks would look like through the window: each kind of it is told, and nothing else."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ivr.metrics.listener import Listener
from ivr.metrics.metrics import Metrics
from tests.soak.window import Held, Window


@pytest.fixture
async def metrics_port() -> AsyncIterator[int]:
    """This process tells its tasks as a service does."""
    metrics = Metrics()

    async def counted() -> bytes:
        metrics.tasks(len(asyncio.all_tasks()))
        return metrics.text()

    listener = Listener(counted)
    yield await listener.start("127.0.0.1", 0)
    listener.stop()


@pytest.fixture
def window(metrics_port: int, tmp_path: Path) -> Window:
    return Window(os.getpid(), metrics_port, [tmp_path])


@pytest.fixture
def thread() -> Iterator[threading.Thread]:
    """One that waits until the test is over."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    yield thread
    over.set()
    thread.join()


LOOKER = ThreadPoolExecutor(1)


async def look(window: Window) -> Held:
    return await asyncio.get_running_loop().run_in_executor(LOOKER, window.look)


async def test_nothing_is_left_where_nothing_was_done(window: Window) -> None:
    await look(window)  # The thread that looks is there from now on.
    before = await look(window)
    assert (await look(window)).more_than(before, threads=0) == []


async def test_each_kind_of_leak_is_told(window: Window, tmp_path: Path, thread: threading.Thread) -> None:
    await look(window)
    before = await look(window)
    task = asyncio.create_task(asyncio.sleep(60))
    (tmp_path / "left").write_text("")
    thread.start()
    with (tmp_path / "left").open() as file:
        told = (await look(window)).more_than(before, threads=0)
    task.cancel()
    assert told == ["1 tasks", f"descriptors: 1 {file.name}", "1 threads", f"files: {file.name}"]


def test_what_goes_is_no_leak_and_some_threads_may_come() -> None:
    before = Held(tasks=9, threads=4, resident_kb=1, descriptors=Counter({"socket:": 3}))
    after = Held(tasks=8, threads=6, resident_kb=9, descriptors=Counter({"socket:": 2}))
    assert after.more_than(before, threads=2) == []
    assert after.more_than(before, threads=1) == ["2 threads"]
