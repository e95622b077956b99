"""The lane of message lights: each box whose counts changed, and all of them when Asterisk has come back.

A light shows counts, never events, so what matters is only that it is right in the end: rows wait while Asterisk is
away and cost no attempts; after a connection everything is set once, for nobody knows what Asterisk still remembers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import structlog

from ivr.ami import mwi
from ivr.ami.client import AmiClient
from ivr.ami.mwi import MwiState
from ivr.clock import Clock
from ivr.errors import AmiActionRejected, AmiUnavailable, StoreError
from ivr.notifications.mwi_targets import BoxMwi, MwiTargets
from ivr.storage.protocols import OutboxStore
from ivr.storage.records import OutboxTask, TaskKind

BATCH_SIZE = 200
"""Rows of one claim, and boxes of one page."""
REJECTION_RETRY_DELAY_S = 30
STARTUP_WINDOW_S, STARTUP_RETRY_DELAY_S = 60, 1
"""An Asterisk that has just started refuses what it has not loaded yet."""
REMEDY = "take asterisk-conf/extensions-ami.conf into the dialplan, and give the manager's user 'originate'"
STORE_RETRY_DELAY_S = 1.0

log = structlog.get_logger()


class MwiWorker:
    """`manager` None: this service sets no lights, and the rows go."""

    kinds: Collection[TaskKind] = (TaskKind.MWI, TaskKind.PHONE_MWI)

    def __init__(
        self,
        outbox: OutboxStore,
        clock: Clock,
        targets: MwiTargets,
        ami: AmiClient | None,
        *,
        resync_on_connect: bool = True,
    ) -> None:
        """`puts_all_right`: after each new connection all lights are set."""
        self._resync_on_connect = resync_on_connect
        self._outbox = outbox
        self._clock = clock
        self._targets = targets
        self._ami = ami
        self._synced_connection_id = 0
        """The connection on which everything has been set."""
        self._connected_since = (0, 0.0)
        """The connection of now, and since when."""
        self._published: dict[str, tuple[MwiState, ...]] = {}
        """What each box showed last, for a box that changes its number."""
        self._wake_event = asyncio.Event()

    def wake(self) -> None:
        self._wake_event.set()

    async def run_forever(self) -> None:
        pausing: set[asyncio.Task[None]] = set()
        if self._ami:
            pausing.add(asyncio.create_task(self._wake_on_connection_change(self._ami)))
        try:
            while True:
                self._wake_event.clear()
                try:
                    await self.run_once()
                except StoreError as error:
                    log.error("notify.store", lane="lights", error=str(error))
                    await asyncio.sleep(STORE_RETRY_DELAY_S)
                await self._wake_event.wait()
        finally:
            for task in pausing:
                task.cancel()

    async def run_once(self) -> bool:
        did_some = False
        while await self._process_batch():
            did_some = True
        return did_some

    async def _process_batch(self) -> bool:
        """One claim of rows; False where nothing could be done."""
        manager = self._ami
        if manager and not manager.connection_id:
            return False
        is_new = self._resync_on_connect and manager is not None and manager.connection_id != self._synced_connection_id
        if manager and is_new and not await self._resync_all(manager):
            return False
        rows = await self._outbox.claim(self.kinds, BATCH_SIZE)
        if not rows:
            return False
        if manager is None:
            await self._outbox.complete(rows)
            return True
        return await self._publish(rows, manager)

    async def _publish(self, tasks: Sequence[OutboxTask], ami: AmiClient) -> bool:
        box_ids = [row.box_id for row in tasks if row.kind is TaskKind.MWI]
        # Phones of another Asterisk are right when its service connects to it.
        phones = [
            row.target
            for row in tasks
            if row.kind is TaskKind.PHONE_MWI and self._targets.is_managed(str(row.payload["system"]))
        ]
        boxes = await self._targets.for_boxes(box_ids)
        owners = {box.owner_id for box in boxes if box.owner_id}
        devices = await self._targets.for_owners(owners) if owners else []
        devices += await self._targets.for_endpoints(phones) if phones else []
        try:
            await mwi.publish(ami, [*self._states_to_publish(boxes), *devices])
        except AmiActionRejected as error:
            log.error("light.refused", error=str(error), remedy=REMEDY, again_in_s=REJECTION_RETRY_DELAY_S)
            await self._outbox.release_without_attempt(
                tasks, int(self._clock.now()) + REJECTION_RETRY_DELAY_S, str(error)
            )
            return False
        except AmiUnavailable as error:
            await self._outbox.release_without_attempt(tasks, int(self._clock.now()), str(error))
            return False
        await self._outbox.complete(tasks)
        return True

    async def _resync_all(self, ami: AmiClient) -> bool:
        """Set every light there is, once for this connection."""
        connection, set_so_far, after = ami.connection_id, 0, ""
        began = self._clock.monotonic()
        if connection != self._connected_since[0]:
            self._connected_since = (connection, began)
        try:
            while boxes := await self._targets.box_page(after, BATCH_SIZE):
                await mwi.publish(ami, self._states_to_publish(boxes))
                set_so_far, after = set_so_far + len(boxes), boxes[-1].box_id
            after = ""
            while devices := await self._targets.endpoint_page(after, BATCH_SIZE):
                await mwi.publish(ami, [device for _, device in devices])
                after = devices[-1][0]
        except AmiUnavailable as error:
            if not isinstance(error, AmiActionRejected):
                log.warning("light.not_put_right", error=str(error), boxes=set_so_far)
                return False
            pause_s = (
                STARTUP_RETRY_DELAY_S
                if began - self._connected_since[1] < STARTUP_WINDOW_S
                else REJECTION_RETRY_DELAY_S
            )
            log.error("light.refused", error=str(error), remedy=REMEDY, again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            self._wake_event.set()
            return False
        self._synced_connection_id = connection
        log.info("light.all_right", boxes=set_so_far, s=round(self._clock.monotonic() - began, 2))
        return True

    def _states_to_publish(self, boxes: Sequence[BoxMwi]) -> list[MwiState]:
        """What these boxes show, behind darkness where they showed something before that is theirs no more."""
        dark: list[MwiState] = []
        for box in boxes:
            names = {lamp.mailbox for lamp in box.states}
            dark += [
                MwiState(was.mailbox, 0, 0) for was in self._published.get(box.box_id, ()) if was.mailbox not in names
            ]
            self._published[box.box_id] = box.states
        return [*dark, *(lamp for box in boxes for lamp in box.states)]

    async def _wake_on_connection_change(self, ami: AmiClient) -> None:
        while True:
            self._wake_event.set()
            await ami.wait_for_change()
