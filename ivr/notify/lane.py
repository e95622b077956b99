"""A lane: outbox rows of some kinds, and who does them. What is slow in one lane holds nothing back in another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

import structlog

from ivr.clock import Clock
from ivr.errors import IvrError, StoreError, Undeliverable
from ivr.mailbox.sqlite.outbox import Kind
from ivr.notify.outbox import LEASE_S, NEVER, Also, Outbox, Row
from ivr.notify.settings import RETRY_S

STORE_PAUSE_S = 1.0
FAREWELL_S = 5.0
"""How long a service that stops waits for what is being done."""
LONGEST_ERROR = 500

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Again:
    """It is to be done once more at `due_at` (Unix s), with another payload."""

    due_at: int
    payload: dict[str, object]


Done = Also | Again | None
Handler = Callable[[Row], Awaitable[Done]]
"""Does one row. What it gives is written in the transaction that ends the row. Raises `NotDelivered`, to be called
again after a while; `Undeliverable`, not to be."""


class Lane(Protocol):
    """What the notifier runs."""

    kinds: Collection[Kind]

    def wake(self) -> None:
        """Something of these kinds is due."""

    async def run(self) -> None:
        """Work until cancelled."""

    async def drain(self) -> bool:
        """Do what is due now; False where there was nothing that could be done."""


class RowLane:
    """Does each row by itself, `at_once` of them at a time."""

    def __init__(
        self, name: str, handlers: dict[Kind, Handler], outbox: Outbox, clock: Clock, *, at_once: int = 1,
        retry_s: Collection[int] = RETRY_S, told: Callable[[str, str], None] = lambda *_: None,
    ) -> None:  # fmt: skip
        self.name = name
        self.kinds: Collection[Kind] = tuple(handlers)
        self._handlers = handlers
        self._outbox = outbox
        self._clock = clock
        self._at_once = at_once
        self._retry_s = tuple(retry_s)
        self._told = told
        self._busy: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        try:
            while True:
                self._woken.clear()
                try:
                    await self._start_some()
                except StoreError as error:
                    log.error("notify.store", lane=self.name, error=str(error))
                    await asyncio.sleep(STORE_PAUSE_S)
                await self._woken.wait()
        finally:
            await self._let_go()

    async def drain(self) -> bool:
        did_some = False
        while True:
            await self._start_some()
            if not self._busy:
                return did_some
            did_some = True
            await asyncio.wait(self._busy)

    async def _start_some(self) -> None:
        room = self._at_once - len(self._busy)
        for row in await self._outbox.claim(self.kinds, room) if room else ():
            task = asyncio.create_task(self._do(row))
            self._busy.add(task)
            task.add_done_callback(self._over)

    async def _let_go(self) -> None:
        """What is nearly done may end, so that it is not done twice."""
        if self._busy:
            await asyncio.wait(self._busy, timeout=FAREWELL_S)
        for task in self._busy:
            task.cancel()

    def _over(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        self._woken.set()

    async def _do(self, row: Row) -> None:
        holding = asyncio.create_task(self._hold(row))
        try:
            await self._end(row, await self._handlers[row.kind](row))
        except Undeliverable as error:
            await self._give_up(row, str(error))
        except StoreError as error:
            log.error("notify.store", lane=self.name, row=row.id, error=str(error))  # Its lease will end.
        except IvrError as error:
            await self._failed(row, str(error))
        except Exception as error:
            log.exception("notify.broke", lane=self.name, row=row.id)
            await self._failed(row, repr(error))
        finally:
            holding.cancel()

    async def _hold(self, row: Row) -> None:
        """A slow server must not make the lease end, or the row would be done twice."""
        while True:
            await asyncio.sleep(LEASE_S / 3)
            with contextlib.suppress(StoreError):
                await self._outbox.renew(row)

    async def _end(self, row: Row, done: Done) -> None:
        if isinstance(done, Again):
            await self._outbox.put_off(row, done.due_at, None, done.payload)
        else:
            await self._outbox.done([row], done)
            self._told(row.kind, "done")

    async def _failed(self, row: Row, error: str) -> None:
        if row.attempts > len(self._retry_s):
            await self._give_up(row, error)
            return
        wait_s = self._retry_s[row.attempts - 1]
        self._told(row.kind, "failed")
        log.warning("notify.failed", kind=row.kind, row=row.id, error=error, again_in_s=wait_s)
        await self._outbox.put_off(row, int(self._clock.now()) + wait_s, error[:LONGEST_ERROR])

    async def _give_up(self, row: Row, error: str) -> None:
        self._told(row.kind, "given_up")
        log.error("notify.given_up", kind=row.kind, row=row.id, about=row.about, box=row.box_id, error=error)
        await self._outbox.put_off(row, NEVER, error[:LONGEST_ERROR])
