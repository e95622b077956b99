"""Outbox workers: each claims and processes rows of some kinds. A slow worker does not delay the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from ivr.clock import Clock
from ivr.errors import IvrError, NotificationUndeliverable, StoreError
from ivr.notifications.settings import RETRY_DELAYS_S
from ivr.storage.protocols import OnCommit, OutboxStore
from ivr.storage.records import LEASE_S, NEVER_DUE, OutboxTask, TaskKind

MAX_ERROR_LENGTH = 500
"""Characters of an error that are stored in the outbox."""
MAX_STORAGE_RETRY_DELAY_S = 15.0
NO_CUTOFF = 0
"""`not_before` of a handler that reads messages of any age."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reschedule:
    """Handler result: process the task again at `due_at` (Unix seconds) with a new payload."""

    due_at: int
    payload: dict[str, object]


HandlerResult = OnCommit | Reschedule | None
"""What a handler returns: None or a function that runs in the transaction that deletes the row, or `Reschedule`."""

Handler = Callable[[OutboxTask], Awaitable[HandlerResult]]
"""Processes one task.

Raises `NotificationFailed` for an error that a retry may solve, `NotificationUndeliverable` for a permanent one.
"""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Concurrency, retries and timing of an `OutboxWorker`."""

    max_concurrency: int = 1
    max_per_account: int | None = None
    """Maximum number of tasks of one account at a time; None: no limit but `max_concurrency`."""
    retry_delays_s: tuple[int, ...] = RETRY_DELAYS_S
    """Seconds to wait after each failed attempt. After the last one the task is given up."""
    lease_renewal_interval_s: float = LEASE_S / 3
    storage_retry_delay_s: float = 1.0
    """Seconds to wait when the database cannot be read or written; doubled each time to store an outcome."""
    storage_patience_s: float = 600.0
    """Seconds for which an outcome is tried to be stored."""
    shutdown_grace_s: float = 5.0
    """Seconds that running tasks may take to finish when the service stops."""


DEFAULT_LIMITS = WorkerLimits()


class Worker(Protocol):
    """Processes the outbox rows of some kinds."""

    name: str
    kinds: Collection[TaskKind]
    max_concurrency: int
    """Number of rows that it processes at a time."""

    @property
    def busy(self) -> int:
        """Number of rows that it processes now."""

    def wake(self) -> None:
        """Signal that a row of these kinds is due."""

    async def run_forever(self) -> None:
        """Process rows until cancelled."""

    async def run_once(self) -> bool:
        """Process all rows that are due. Return False when there was nothing to process."""


class OutboxWorker:
    """Processes each row by itself with the handler of its kind.

    `on_outcome`: called with kind and outcome (done, failed, given_up) of every attempt.
    """

    def __init__(
        self,
        name: str,
        handlers: dict[TaskKind, Handler],
        outbox: OutboxStore,
        clock: Clock,
        *,
        on_outcome: Callable[[str, str], None] = lambda *_: None,
        limits: WorkerLimits = DEFAULT_LIMITS,
    ) -> None:
        self.name = name
        self.kinds: Collection[TaskKind] = tuple(handlers)
        self._handlers = handlers
        self._outbox = outbox
        self._clock = clock
        self._on_outcome = on_outcome
        self._limits = limits
        self.max_concurrency = limits.max_concurrency
        self._running: dict[asyncio.Task[None], str] = {}
        """What runs, with its lease."""
        self._wake_event = asyncio.Event()

    @property
    def busy(self) -> int:
        return len(self._running)

    def wake(self) -> None:
        self._wake_event.set()

    async def run_forever(self) -> None:
        try:
            while True:
                self._wake_event.clear()
                try:
                    await self._start_claimed()
                except StoreError as error:
                    log.error("outbox.storage_error", worker=self.name, error=str(error))
                    await asyncio.sleep(self._limits.storage_retry_delay_s)
                await self._wake_event.wait()
        finally:
            await self._shut_down()

    async def run_once(self) -> bool:
        has_processed = False
        while True:
            await self._start_claimed()
            if not self._running:
                return has_processed
            has_processed = True
            await asyncio.wait(self._running)

    async def _start_claimed(self) -> None:
        free = self._limits.max_concurrency - len(self._running)
        for task in await self._claim(free) if free else ():
            running = asyncio.create_task(self._process(task))
            self._running[running] = task.lease or ""
            running.add_done_callback(self._on_task_done)

    async def _claim(self, free: int) -> list[OutboxTask]:
        return await self._outbox.claim(
            self.kinds, free, max_per_account=self._limits.max_per_account, running={*self._running.values()}
        )

    async def _shut_down(self) -> None:
        """Let running tasks finish, because a cancelled task is processed a second time after the next start."""
        if self._running:
            await asyncio.wait(self._running, timeout=self._limits.shutdown_grace_s)
        for running in self._running:
            running.cancel()

    def _on_task_done(self, running: asyncio.Task[None]) -> None:
        self._running.pop(running, None)
        self._wake_event.set()

    async def _process(self, task: OutboxTask) -> None:
        renewal = asyncio.create_task(self._renew_lease(task))
        try:
            await self._store_outcome(task, await self._handle(task))
        finally:
            renewal.cancel()

    async def _handle(self, task: OutboxTask) -> Callable[[], Awaitable[None]]:
        """Process a task. Return what stores its outcome."""
        try:
            return partial(self._finish, task, await self._handlers[task.kind](task))
        except NotificationUndeliverable as error:
            return partial(self._give_up, task, str(error))
        except StoreError as error:
            log.error("outbox.storage_error", worker=self.name, row=task.id, error=str(error))
            due_at = int(self._clock.now() + MAX_STORAGE_RETRY_DELAY_S)
            return partial(self._outbox.release_without_attempt, [task], due_at, str(error)[:MAX_ERROR_LENGTH])
        except IvrError as error:
            return partial(self._retry_or_give_up, task, str(error))
        except Exception as error:
            log.exception("outbox.handler_crashed", worker=self.name, row=task.id)
            return partial(self._retry_or_give_up, task, repr(error))

    async def _store_outcome(self, task: OutboxTask, store: Callable[[], Awaitable[None]]) -> None:
        """Store it as soon as the database can be written: what was sent is sent again if its row becomes due."""
        now = asyncio.get_running_loop().time
        gives_up_at, delay_s = now() + self._limits.storage_patience_s, self._limits.storage_retry_delay_s
        while True:
            try:
                return await store()
            except StoreError as error:  # At last the row is processed again when its lease ends.
                log.error("outbox.storage_error", worker=self.name, row=task.id, error=str(error))
                if now() >= gives_up_at:
                    return None
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, MAX_STORAGE_RETRY_DELAY_S)

    async def _renew_lease(self, task: OutboxTask) -> None:
        """Renew the lease periodically: without it, a row with a slow server would be claimed a second time."""
        while True:
            await asyncio.sleep(self._limits.lease_renewal_interval_s)
            with contextlib.suppress(StoreError):
                await self._outbox.renew_lease(task)

    async def _finish(self, task: OutboxTask, result: HandlerResult) -> None:
        if isinstance(result, Reschedule):
            await self._outbox.reschedule(task, result.due_at, None, result.payload)
        else:
            await self._outbox.complete([task], result)
            self._on_outcome(task.kind, "done")

    async def _retry_or_give_up(self, task: OutboxTask, error: str) -> None:
        if task.attempts > len(self._limits.retry_delays_s):
            await self._give_up(task, error)
            return
        delay_s = self._limits.retry_delays_s[task.attempts - 1]
        await self._outbox.reschedule(task, int(self._clock.now()) + delay_s, error[:MAX_ERROR_LENGTH])
        self._on_outcome(task.kind, "failed")
        log.warning("outbox.attempt_failed", kind=task.kind, row=task.id, error=error, retry_in_s=delay_s)

    async def _give_up(self, task: OutboxTask, error: str) -> None:
        await self._outbox.reschedule(task, NEVER_DUE, error[:MAX_ERROR_LENGTH])
        self._on_outcome(task.kind, "given_up")
        log.error(
            "outbox.given_up",
            kind=task.kind,
            row=task.id,
            target=task.target,
            box=task.box_id,
            error=error,
            remedy=f"remove the cause, then run: ivr outbox retry {task.id}",
        )


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """How often the outbox is polled."""

    interval_s: float = 0.05
    polls_per_forced_query: int = 20
    """Number of polls without a change after which the due kinds are queried anyway."""


DEFAULT_POLL_POLICY = PollPolicy()


class OutboxRunner:
    """All workers of one service."""

    def __init__(
        self, outbox: OutboxStore, workers: Sequence[Worker], *, polling: PollPolicy = DEFAULT_POLL_POLICY
    ) -> None:
        self._outbox = outbox
        self.workers = tuple(workers)
        self._polling = polling
        self._tasks: list[asyncio.Task[None]] = []
        self._poll_timer: asyncio.TimerHandle | None = None
        self._may_be_due = asyncio.Event()
        self._last_fingerprint = b""
        self._last_error = ""
        self._polls_without_query = 0

    async def start(self) -> None:
        """Release the leases of dead processes, and start all workers.

        If the database cannot be written, the leases stay until they end by themselves.
        """
        try:
            if released := await self._outbox.release_orphaned_leases():
                log.info("outbox.leases_released", rows=released)
        except StoreError as error:
            log.warning("outbox.leases_not_released", reason=str(error))
        self._tasks = [asyncio.create_task(worker.run_forever()) for worker in self.workers]
        self._tasks.append(asyncio.create_task(self._wake_when_due()))
        self._poll()

    async def stop(self) -> None:
        """Stop all workers. Rows that are not finished are processed after the next start."""
        if self._poll_timer:
            self._poll_timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def run_until_idle(self) -> None:
        """Process all rows that are due, and all rows that follow from them."""
        while any([await worker.run_once() for worker in self.workers]):
            pass

    def _poll(self) -> None:
        """Look for changes, now and after each interval; a timer, which costs half of what a task that sleeps does."""
        fingerprint = self._outbox.change_fingerprint()
        self._polls_without_query += 1
        if fingerprint != self._last_fingerprint or self._polls_without_query > self._polling.polls_per_forced_query:
            self._last_fingerprint, self._polls_without_query = fingerprint, 0
            self._may_be_due.set()
        self._poll_timer = asyncio.get_running_loop().call_later(self._polling.interval_s, self._poll)

    async def _wake_when_due(self) -> None:
        while True:
            await self._may_be_due.wait()
            self._may_be_due.clear()
            await self._wake_due_workers()

    async def _wake_due_workers(self) -> None:
        try:
            due = await self._outbox.due_kinds()
        except StoreError as error:
            if str(error) != self._last_error:  # It is asked several times a second.
                log.error("outbox.storage_error", error=str(error))
            self._last_error = str(error)
            return
        self._last_error = ""
        for worker in self.workers:
            if due & set(worker.kinds):
                worker.wake()
