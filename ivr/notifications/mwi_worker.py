"""Worker of the message lights: publishes the counts of changed mailboxes, and of all of them after a reconnect.

A light shows counts, not events, so only the latest state matters. While Asterisk is disconnected rows wait and use up
no attempts. After a new connection all lights are published once, because Asterisk may have lost its state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from ivr.ami import actions
from ivr.ami.client import AmiClient
from ivr.clock import Clock
from ivr.errors import AmiActionRejected, AmiUnavailable, StoreError
from ivr.notifications.mwi_targets import Lights, MwiTargets, former_lights, states_to_publish
from ivr.storage.protocols import OutboxStore
from ivr.storage.records import OutboxTask, TaskKind

BATCH_SIZE = 200
"""Rows of one claim, and mailboxes of one page of a resynchronization."""
REMEDY = "include asterisk-conf/extensions-ami.conf in the dialplan, and add 'originate' to write= in manager.conf"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MwiTiming:
    """Delays of the MWI worker, in seconds."""

    rejection_retry_delay_s: float = 30
    startup_window_s: float = 60
    """Time after a new connection in which a rejection is retried soon: a booting Asterisk rejects actions whose
    modules or dialplan it has not loaded yet."""
    startup_retry_delay_s: float = 1
    storage_retry_delay_s: float = 1
    """Delay when the database cannot be read."""


DEFAULT_TIMING = MwiTiming()


class MwiWorker:
    """Publishes message lights. `ami` None: this service has no AMI connection, and the rows are deleted.

    `resync_on_connect`: publish all lights after each new connection.
    """

    name = "message lights"
    kinds: Collection[TaskKind] = (TaskKind.MWI, TaskKind.PHONE_MWI)
    max_concurrency = BATCH_SIZE

    def __init__(
        self,
        *,
        outbox: OutboxStore,
        clock: Clock,
        targets: MwiTargets,
        ami: AmiClient | None,
        resync_on_connect: bool = True,
        timing: MwiTiming = DEFAULT_TIMING,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._targets = targets
        self._ami = ami
        self._resync_on_connect = resync_on_connect
        self._timing = timing
        self._synced_connection_id = 0
        """The connection after which all lights were published."""
        self._connected_since = (0, 0.0)
        """The current connection, and the monotonic time at which it was first used."""
        self._wake_event = asyncio.Event()
        self._claimed: list[OutboxTask] = []
        """The rows of the last claim, until it is stored that their lights are published."""
        self._busy = 0

    @property
    def busy(self) -> int:
        return self._busy

    def wake(self) -> None:
        self._wake_event.set()

    async def run_forever(self) -> None:
        waker = asyncio.create_task(self._wake_on_connection_change(self._ami)) if self._ami else None
        try:
            while True:
                self._wake_event.clear()
                try:
                    await self.run_once()
                except StoreError as error:
                    log.error("outbox.storage_error", worker="mwi", error=str(error))
                    await asyncio.sleep(self._timing.storage_retry_delay_s)
                    self._wake_event.set()  # Claimed rows are not due before their lease ends: nothing else wakes it.
                await self._wake_event.wait()
        finally:
            if waker:
                waker.cancel()

    async def run_once(self) -> bool:
        has_processed = False
        while processed := await self._process_batch():
            has_processed = True
            if processed < BATCH_SIZE:
                break  # All of them: those that came since wake the worker again.
        return has_processed

    async def _process_batch(self) -> int:
        """Process one claim of rows. Return how many were processed."""
        ami = self._ami
        if ami and not ami.connection_id:
            return 0
        needs_resync = self._resync_on_connect and ami is not None and ami.connection_id != self._synced_connection_id
        if ami and needs_resync and not await self._resync_all(ami):
            return 0
        if ami is None:
            dropped = await self._outbox.claim(self.kinds, BATCH_SIZE)
            await self._outbox.complete(dropped)
            return len(dropped)
        async with self._targets.exclusive():
            tasks = self._claimed = self._claimed or await self._outbox.claim(self.kinds, BATCH_SIZE)
            self._busy = len(tasks)
            try:
                is_done = bool(tasks) and await self._publish(tasks, ami)
            finally:
                self._busy = 0
            self._claimed = []
            return len(tasks) if is_done else 0

    async def _publish(self, tasks: Sequence[OutboxTask], ami: AmiClient) -> bool:
        """Publish the lights of these rows. Return False if they are due again. Raises `StoreError`."""
        boxes = await self._targets.for_boxes(task.box_id for task in tasks if task.kind is TaskKind.MWI)
        user_ids = {user_id for box in boxes for user_id in box.user_ids}
        # The lights of another Asterisk are published by its own service when that connects.
        endpoints = [
            task.target
            for task in tasks
            if task.kind is TaskKind.PHONE_MWI and self._targets.is_managed(str(task.payload["system"]))
        ]
        phones = await self._targets.for_users(user_ids) if user_ids else []
        phones += await self._targets.for_endpoints(endpoints) if endpoints else []
        lights = await self._targets.with_published([*boxes, *phones])
        try:
            await self._targets.add_published(lights)
            await actions.publish(ami, states_to_publish(lights))
        except AmiActionRejected as error:
            delay_s = self._timing.rejection_retry_delay_s
            log.error("mwi.rejected", error=str(error), remedy=REMEDY, retry_in_s=delay_s)
            due_at = int(self._clock.now() + delay_s)
            await self._outbox.release_without_attempt(tasks, due_at, str(error))
            return False
        except AmiUnavailable as error:
            await self._outbox.release_without_attempt(tasks, int(self._clock.now()), str(error))
            return False
        system, published, former = self._targets.system, [box.box_id for box in boxes], former_lights(lights)
        await self._outbox.complete(
            tasks, lambda transaction: transaction.record_lights_published(system, published, former)
        )
        return True

    async def _resync_all(self, ami: AmiClient) -> bool:
        """Publish all lights once for the current connection. Return False when it has to be repeated."""
        connection_id, started_at = ami.connection_id, self._clock.monotonic()
        if connection_id != self._connected_since[0]:
            self._connected_since = (connection_id, started_at)
        published, after = 0, ""
        try:
            while page := await self._publish_page(ami, partial(self._targets.box_page, after, BATCH_SIZE)):
                published, after = published + len(page), page[-1].box_id
            after = ""
            while page := await self._publish_page(ami, partial(self._targets.endpoint_page, after, BATCH_SIZE)):
                after = page[-1].endpoint
            while await self._publish_page(ami, partial(self._targets.without_subject, BATCH_SIZE)):
                pass
        except AmiActionRejected as error:
            is_starting = started_at - self._connected_since[1] < self._timing.startup_window_s
            delay_s = self._timing.startup_retry_delay_s if is_starting else self._timing.rejection_retry_delay_s
            log.error("mwi.rejected", error=str(error), remedy=REMEDY, retry_in_s=delay_s)
            await asyncio.sleep(delay_s)
            self._wake_event.set()
            return False
        except AmiUnavailable as error:
            log.warning("mwi.resync_interrupted", error=str(error), boxes=published)
            return False
        self._synced_connection_id = connection_id
        log.info("mwi.resynced", boxes=published, s=round(self._clock.monotonic() - started_at, 2))
        return True

    async def _publish_page(
        self, ami: AmiClient, read_page: Callable[[], Awaitable[Sequence[Lights]]]
    ) -> Sequence[Lights]:
        async with self._targets.exclusive():
            if page := await read_page():
                lights = await self._targets.with_published(page)
                await self._targets.add_published(lights)
                await actions.publish(ami, states_to_publish(lights))
                await self._targets.record_published(lights, self._clock.now())
            return page

    async def _wake_on_connection_change(self, ami: AmiClient) -> None:
        while True:
            self._wake_event.set()
            await ami.wait_for_change()
