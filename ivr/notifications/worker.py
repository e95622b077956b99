"""A lane: outbox rows of some kinds, and who does them. What is slow in one lane holds nothing back in another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

import structlog

from ivr.clock import Clock
from ivr.errors import IvrError, NotificationUndeliverable, StoreError
from ivr.notifications.settings import RETRY_DELAYS_S
from ivr.storage.protocols import OnCommit, OutboxStore
from ivr.storage.records import LEASE_S, NEVER_DUE, OutboxTask, TaskKind

STORE_RETRY_DELAY_S = 1.0
SHUTDOWN_GRACE_S = 5.0
"""How long a service that stops waits for what is being done."""
MAX_ERROR_LENGTH = 500

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reschedule:
    """It is to be done once more at `due_at` (Unix s), with another payload."""

    due_at: int
    payload: dict[str, object]


HandlerResult = OnCommit | Reschedule | None
Handler = Callable[[OutboxTask], Awaitable[HandlerResult]]
"""Does one row. What it gives is written in the transaction that ends the row. Raises `NotificationFailed`, to be called
again after a while; `NotificationUndeliverable`, not to be."""


class Worker(Protocol):
    """What the notifier runs."""

    kinds: Collection[TaskKind]

    def wake(self) -> None:
        """Something of these kinds is due."""

    async def run_forever(self) -> None:
        """Work until cancelled."""

    async def run_once(self) -> bool:
        """Do what is due now; False where there was nothing that could be done."""


class OutboxWorker:
    """Does each row by itself, `at_once` of them at a time."""

    def __init__(
        self,
        name: str,
        handlers: dict[TaskKind, Handler],
        outbox: OutboxStore,
        clock: Clock,
        *,
        max_concurrency: int = 1,
        retry_delays_s: Collection[int] = RETRY_DELAYS_S,
        on_outcome: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self.name = name
        self.kinds: Collection[TaskKind] = tuple(handlers)
        self._handlers = handlers
        self._outbox = outbox
        self._clock = clock
        self._max_concurrency = max_concurrency
        self._retry_delays_s = tuple(retry_delays_s)
        self._on_outcome = on_outcome
        self._running: set[asyncio.Task[None]] = set()
        self._wake_event = asyncio.Event()

    def wake(self) -> None:
        self._wake_event.set()

    async def run_forever(self) -> None:
        try:
            while True:
                self._wake_event.clear()
                try:
                    await self._start_claimed()
                except StoreError as error:
                    log.error("notify.store", lane=self.name, error=str(error))
                    await asyncio.sleep(STORE_RETRY_DELAY_S)
                await self._wake_event.wait()
        finally:
            await self._shut_down()

    async def run_once(self) -> bool:
        did_some = False
        while True:
            await self._start_claimed()
            if not self._running:
                return did_some
            did_some = True
            await asyncio.wait(self._running)

    async def _start_claimed(self) -> None:
        room = self._max_concurrency - len(self._running)
        for row in await self._outbox.claim(self.kinds, room) if room else ():
            task = asyncio.create_task(self._process(row))
            self._running.add(task)
            task.add_done_callback(self._on_task_done)

    async def _shut_down(self) -> None:
        """What is nearly done may end, so that it is not done twice."""
        if self._running:
            await asyncio.wait(self._running, timeout=SHUTDOWN_GRACE_S)
        for task in self._running:
            task.cancel()

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake_event.set()

    async def _process(self, task: OutboxTask) -> None:
        holding = asyncio.create_task(self._renew_lease(task))
        try:
            await self._finish(task, await self._handlers[task.kind](task))
        except NotificationUndeliverable as error:
            await self._give_up(task, str(error))
        except StoreError as error:
            log.error("notify.store", lane=self.name, row=task.id, error=str(error))  # Its lease will end.
        except IvrError as error:
            await self._retry_or_give_up(task, str(error))
        except Exception as error:
            log.exception("notify.broke", lane=self.name, row=task.id)
            await self._retry_or_give_up(task, repr(error))
        finally:
            holding.cancel()

    async def _renew_lease(self, task: OutboxTask) -> None:
        """A slow server must not make the lease end, or the row would be done twice."""
        while True:
            await asyncio.sleep(LEASE_S / 3)
            with contextlib.suppress(StoreError):
                await self._outbox.renew_lease(task)

    async def _finish(self, task: OutboxTask, result: HandlerResult) -> None:
        if isinstance(result, Reschedule):
            await self._outbox.reschedule(task, result.due_at, None, result.payload)
        else:
            await self._outbox.complete([task], result)
            self._on_outcome(task.kind, "done")

    async def _retry_or_give_up(self, task: OutboxTask, error: str) -> None:
        if task.attempts > len(self._retry_delays_s):
            await self._give_up(task, error)
            return
        wait_s = self._retry_delays_s[task.attempts - 1]
        self._on_outcome(task.kind, "failed")
        log.warning("notify.failed", kind=task.kind, row=task.id, error=error, again_in_s=wait_s)
        await self._outbox.reschedule(task, int(self._clock.now()) + wait_s, error[:MAX_ERROR_LENGTH])

    async def _give_up(self, task: OutboxTask, error: str) -> None:
        self._on_outcome(task.kind, "given_up")
        log.error("notify.given_up", kind=task.kind, row=task.id, about=task.target, box=task.box_id, error=error)
        await self._outbox.reschedule(task, NEVER_DUE, error[:MAX_ERROR_LENGTH])
