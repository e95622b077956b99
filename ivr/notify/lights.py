"""The lane of message lights: each box whose counts changed, and all of them when Asterisk has come back.

A light shows counts, never events, so what matters is only that it is right in the end: rows wait while Asterisk is
away and cost no attempts; after a connection everything is set once, for nobody knows what Asterisk still remembers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from functools import partial

import structlog

from ivr.ami import lamps
from ivr.ami.lamps import Lamp
from ivr.ami.manager import Manager
from ivr.clock import Clock
from ivr.database.file import Database
from ivr.errors import ActionRefused, AsteriskAway, StoreError
from ivr.mailbox.sqlite.outbox import Kind
from ivr.notify.outbox import Outbox, Row
from ivr.notify.targets import BoxLights, Targets

AT_ONCE = 200
"""Rows of one claim, and boxes of one page."""
REFUSED_PAUSE_S = 30
BOOTING_S, BOOTING_PAUSE_S = 60, 1
"""An Asterisk that has just started refuses what it has not loaded yet."""
REMEDY = "take asterisk-conf/extensions-manager.conf into the dialplan, and give the manager's user 'originate'"
STORE_PAUSE_S = 1.0

log = structlog.get_logger()


class LightLane:
    """`manager` None: this service sets no lights, and the rows go."""

    kinds: Collection[Kind] = (Kind.LIGHT, Kind.PHONE)

    def __init__(
        self, outbox: Outbox, database: Database, clock: Clock, targets: Targets, manager: Manager | None, *,
        puts_all_right: bool = True,
    ) -> None:  # fmt: skip
        """`puts_all_right`: after each new connection all lights are set."""
        self._puts_all_right = puts_all_right
        self._outbox = outbox
        self._database = database
        self._clock = clock
        self._targets = targets
        self._manager = manager
        self._right_on = 0
        """The connection on which everything has been set."""
        self._connected = (0, 0.0)
        """The connection of now, and since when."""
        self._lit: dict[str, tuple[Lamp, ...]] = {}
        """What each box showed last, for a box that changes its number."""
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        pausing: set[asyncio.Task[None]] = set()
        if self._manager:
            pausing.add(asyncio.create_task(self._wake_when_connected(self._manager)))
        try:
            while True:
                self._woken.clear()
                try:
                    await self.drain()
                except StoreError as error:
                    log.error("notify.store", lane="lights", error=str(error))
                    await asyncio.sleep(STORE_PAUSE_S)
                await self._woken.wait()
        finally:
            for task in pausing:
                task.cancel()

    async def drain(self) -> bool:
        did_some = False
        while await self._some():
            did_some = True
        return did_some

    async def _some(self) -> bool:
        """One claim of rows; False where nothing could be done."""
        manager = self._manager
        if manager and not manager.connection:
            return False
        is_new = self._puts_all_right and manager is not None and manager.connection != self._right_on
        if manager and is_new and not await self._put_all_right(manager):
            return False
        rows = await self._outbox.claim(self.kinds, AT_ONCE)
        if not rows:
            return False
        if manager is None:
            await self._outbox.done(rows)
            return True
        return await self._set(rows, manager)

    async def _set(self, rows: Sequence[Row], manager: Manager) -> bool:
        box_ids = [row.box_id for row in rows if row.kind is Kind.LIGHT]
        # Phones of another Asterisk are right when its service connects to it.
        phones = [
            row.about for row in rows if row.kind is Kind.PHONE and self._targets.is_ours(str(row.payload["system"]))
        ]
        boxes = await self._database.read(lambda c: self._targets.of_boxes(c, box_ids))
        owners = {box.owner_id for box in boxes if box.owner_id}
        devices = await self._database.read(lambda c: self._targets.of_owners(c, owners)) if owners else []
        devices += await self._database.read(lambda c: self._targets.of_phones(c, phones)) if phones else []
        try:
            await lamps.show(manager, [*self._of(boxes), *devices])
        except ActionRefused as error:
            log.error("light.refused", error=str(error), remedy=REMEDY, again_in_s=REFUSED_PAUSE_S)
            await self._outbox.untouched(rows, int(self._clock.now()) + REFUSED_PAUSE_S, str(error))
            return False
        except AsteriskAway as error:
            await self._outbox.untouched(rows, int(self._clock.now()), str(error))
            return False
        await self._outbox.done(rows)
        return True

    async def _put_all_right(self, manager: Manager) -> bool:
        """Set every light there is, once for this connection."""
        connection, set_so_far, after = manager.connection, 0, ""
        began = self._clock.monotonic()
        if connection != self._connected[0]:
            self._connected = (connection, began)
        try:
            while boxes := await self._database.read(partial(self._targets.page, after=after, limit=AT_ONCE)):
                await lamps.show(manager, self._of(boxes))
                set_so_far, after = set_so_far + len(boxes), boxes[-1].box_id
            after = ""
            while devices := await self._database.read(partial(self._targets.device_page, after=after, limit=AT_ONCE)):
                await lamps.show(manager, [device for _, device in devices])
                after = devices[-1][0]
        except AsteriskAway as error:
            if not isinstance(error, ActionRefused):
                log.warning("light.not_put_right", error=str(error), boxes=set_so_far)
                return False
            pause_s = BOOTING_PAUSE_S if began - self._connected[1] < BOOTING_S else REFUSED_PAUSE_S
            log.error("light.refused", error=str(error), remedy=REMEDY, again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            self._woken.set()
            return False
        self._right_on = connection
        log.info("light.all_right", boxes=set_so_far, s=round(self._clock.monotonic() - began, 2))
        return True

    def _of(self, boxes: Sequence[BoxLights]) -> list[Lamp]:
        """What these boxes show, behind darkness where they showed something before that is theirs no more."""
        dark: list[Lamp] = []
        for box in boxes:
            names = {lamp.mailbox for lamp in box.lamps}
            dark += [Lamp(was.mailbox, 0, 0) for was in self._lit.get(box.box_id, ()) if was.mailbox not in names]
            self._lit[box.box_id] = box.lamps
        return [*dark, *(lamp for box in boxes for lamp in box.lamps)]

    async def _wake_when_connected(self, manager: Manager) -> None:
        while True:
            self._woken.set()
            await manager.changed()
