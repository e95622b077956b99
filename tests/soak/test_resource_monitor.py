"""What a service that leaks would look like through the window: each kind of it is growth, and nothing else."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ivr.metrics.metrics import Metrics
from ivr.metrics.page_server import PageResponse, PageServer
from tests.soak.resource_monitor import ResourceMonitor, ResourceUsage


@pytest.fixture
async def metrics_port() -> AsyncIterator[int]:
    """This process tells its tasks as a service does."""
    metrics = Metrics()

    async def counted() -> PageResponse:
        metrics.set_gauges({"ivr_asyncio_tasks": len(asyncio.all_tasks())})
        return PageResponse(metrics.render())

    listener = PageServer({"/metrics": counted})
    yield await listener.start("127.0.0.1", 0)
    listener.stop()


@pytest.fixture
def monitor(metrics_port: int, tmp_path: Path) -> ResourceMonitor:
    return ResourceMonitor(os.getpid(), metrics_port, [tmp_path])


@pytest.fixture
def waiting_thread() -> Iterator[threading.Thread]:
    """One that waits until the test is over."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    yield thread
    over.set()
    thread.join()


MONITORED_PROGRAM = ThreadPoolExecutor(1)


async def take_snapshot(window: ResourceMonitor) -> ResourceUsage:
    return await asyncio.get_running_loop().run_in_executor(MONITORED_PROGRAM, window.snapshot)


async def test_idle_process_shows_no_growth(monitor: ResourceMonitor) -> None:
    await take_snapshot(monitor)  # The thread that looks is there from now on.
    before = await take_snapshot(monitor)
    assert (await take_snapshot(monitor)).growth_since(before, threads=0) == []


async def test_each_kind_of_leak_is_reported(
    monitor: ResourceMonitor, tmp_path: Path, waiting_thread: threading.Thread
) -> None:
    await take_snapshot(monitor)
    before = await take_snapshot(monitor)
    task = asyncio.create_task(asyncio.sleep(60))
    (tmp_path / "left").write_text("")
    waiting_thread.start()
    with (tmp_path / "left").open() as file:
        growth = (await take_snapshot(monitor)).growth_since(before, threads=0)
    task.cancel()
    assert growth == ["1 tasks", f"descriptors: 1 {file.name}", "1 threads", f"files: {file.name}"]


def test_shrinking_and_allowed_threads_are_no_leak() -> None:
    before = ResourceUsage(tasks=9, threads=4, resident_kb=1, descriptors=Counter({"socket:": 3}))
    after = ResourceUsage(tasks=8, threads=6, resident_kb=9, descriptors=Counter({"socket:": 2}))
    assert after.growth_since(before, threads=2) == []
    assert after.growth_since(before, threads=1) == ["2 threads"]


def test_each_added_thread_may_have_opened_the_database_once() -> None:
    def usage(threads: int, **descriptors: int) -> ResourceUsage:
        return ResourceUsage(1, threads, 1, Counter({f"/data/ivr.{name}": n for name, n in descriptors.items()}))

    before = usage(12, db=4)
    assert usage(13, db=5).growth_since(before, threads=2) == []
    assert usage(13, db=6).growth_since(before, threads=2) == ["descriptors: 1 /data/ivr.db"]
    assert usage(12, db=5).growth_since(before, threads=2) == ["descriptors: 1 /data/ivr.db"]
    assert usage(13, db=4, toml=1).growth_since(before, threads=2) == ["descriptors: 1 /data/ivr.toml"]
    assert usage(15, db=7).growth_since(before, threads=2) == ["descriptors: 1 /data/ivr.db", "3 threads"]
