"""Places of work are given to accounts in turn."""

from __future__ import annotations

import asyncio

import pytest

from ivr.audio.fair_queue import FairQueue
from ivr.errors import TooMuchWork


class Work:
    """Pieces of work that end when the test says so. `started`: in which order."""

    def __init__(self, queue: FairQueue) -> None:
        self.queue = queue
        self.started: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def add(self, *names: str, is_refusable: bool = True) -> None:
        """Add pieces; the first letter of a name is the account."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._work(name, is_refusable))
        await self._settle()

    async def finish(self, name: str) -> None:
        self._ends[name].set()
        await self.tasks[name]
        await self._settle()

    async def finish_all(self) -> None:
        """Finish what runs, one after the other, until nothing waits."""
        while running := [name for name in self.started if not self.tasks[name].done()]:
            await self.finish(running[0])

    async def _work(self, name: str, is_refusable: bool) -> None:
        async with self.queue.place(name[0], is_refusable=is_refusable):
            self.started.append(name)
            await self._ends[name].wait()

    async def _settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_account_with_one_piece_does_not_wait_behind_those_of_another() -> None:
    work = Work(FairQueue(1, max_waiting=10))
    await work.add("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    await work.finish_all()
    assert work.started == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


async def test_account_that_comes_later_gets_the_next_place() -> None:
    work = Work(FairQueue(2, max_waiting=10))
    await work.add("a1", "a2", "a3", "a4")
    await work.add("b1", "b2")
    await work.finish("a1")
    assert work.started[2:] == ["b1"]
    await work.finish("a2")
    assert work.started[3:] == ["a3"], "each account has one place of two"
    await work.finish("a3")
    assert work.started[4:] == ["a4"], "b has one already"


async def test_short_work_of_an_account_goes_before_its_uploads() -> None:
    work = Work(FairQueue(1, max_waiting=10))
    await work.add("a1", "a2", "a3")
    await work.add("a-mail", is_refusable=False)
    await work.finish("a1")
    assert work.started == ["a1", "a-mail"]


async def test_too_many_of_one_account_are_refused_and_others_are_not() -> None:
    work = Work(FairQueue(1, max_waiting=2))
    await work.add("a1", "a2", "a3", "a4")
    with pytest.raises(TooMuchWork, match="2 uploads of this account wait to be converted: try again later"):
        await work.tasks["a4"]
    await work.add("b1")
    await work.add("a-mail", is_refusable=False)
    await work.finish_all()
    assert sorted(work.started) == ["a-mail", "a1", "a2", "a3", "b1"]


@pytest.mark.parametrize("name", ["a1", "a2"], ids=["while it runs", "while it waits"])
async def test_work_that_is_cancelled_gives_its_place_to_the_next(name: str) -> None:
    work = Work(FairQueue(1, max_waiting=10))
    await work.add("a1", "a2", "a3")
    work.tasks[name].cancel()
    await asyncio.gather(work.tasks[name], return_exceptions=True)
    await work.add("b1")
    assert work.queue.running == 1, "there is one place"
    await work.finish_all()
    assert [name for name in work.started if name != "b1"] == [
        other for other in ("a1", "a2", "a3") if other != name or name == "a1"
    ]
    assert (work.queue.running, work.queue.waiting) == (0, 0)


async def test_work_that_is_cancelled_in_the_moment_of_its_turn_gives_its_place_back() -> None:
    work = Work(FairQueue(1, max_waiting=10))
    await work.add("a1", "a2", "a3")
    work._ends["a1"].set()
    work.tasks["a1"].add_done_callback(lambda _: bool(work.tasks["a2"].cancel()) and None)
    await asyncio.gather(work.tasks["a1"], work.tasks["a2"], return_exceptions=True)
    await work.finish_all()
    assert "a3" in work.started
    assert (work.queue.running, work.queue.waiting) == (0, 0)
