"""After a crash: what was said but not yet kept is kept now, once (design, idea 7).

A take is adopted only when nobody records into it any more. Whether its channel is gone shows in the file: Asterisk
writes out what it holds at least every 2.1 s, so a file that has not grown for 5 s is at its end. A greeting or a name
is nothing that callers hear before its owner says so: it is put aside for them.
"""

from __future__ import annotations

import asyncio

import structlog

from ivr.errors import AudioRefused, IvrError, NotFound
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.store import MessageStore, Purpose, Take
from ivr.mailbox.takes import Takes

QUIET_S = 5.0

log = structlog.get_logger()


class Adoption:
    """Looks once, after a start, at the takes that the last run left behind."""

    def __init__(self, takes: Takes, boxes: Boxes, delivery: Delivery, messages: MessageStore) -> None:
        self._takes = takes
        self._boxes = boxes
        self._delivery = delivery
        self._messages = messages

    async def run(self, quiet_s: float = QUIET_S) -> None:
        """Adopt each take once its file has been quiet for `quiet_s` seconds."""
        growing = {take.id: (take, -1) for take in await self._takes.left_behind()}
        while growing:
            still: dict[str, tuple[Take, int]] = {}
            for take, length_before in growing.values():
                length_ms = self._takes.length_ms(take)
                if length_ms == length_before:
                    await self._adopt(take)
                else:
                    still[take.id] = (take, length_ms)
            growing = still
            if growing:
                await asyncio.sleep(quiet_s)

    async def _adopt(self, take: Take) -> None:
        try:
            if take.purpose is Purpose.MESSAGE:
                await self._as_message(take)
            elif take.purpose is Purpose.INTRO:
                await self._as_intro(take)
            else:
                await self._for_its_owner(take)
        except (NotFound, AudioRefused) as reason:
            log.warning("take.dropped", take=take.id, reason=str(reason))
            await self._takes.drop(take)
        except IvrError as error:
            log.error("take.not_adopted", take=take.id, reason=str(error))  # It stays for the next start.

    async def _as_message(self, take: Take) -> None:
        mailbox = await self._boxes.get(take.box_id)
        if self._takes.length_ms(take) < mailbox.system.min_message_size:
            log.info("take.dropped", take=take.id, reason="shorter than the minimum")
            await self._takes.drop(take)
            return
        message = await self._delivery.deliver(take, mailbox)
        log.info("take.adopted", take=take.id, message=message.id)

    async def _for_its_owner(self, take: Take) -> None:
        mailbox = await self._boxes.get(take.box_id)
        if self._takes.length_ms(take) < mailbox.system.min_message_size:
            log.info("take.dropped", take=take.id, reason="shorter than the minimum")
            await self._takes.drop(take)
            return
        await self._takes.put_aside(take)

    async def _as_intro(self, take: Take) -> None:
        source = await self._boxes.get(take.box_id)
        payload = take.payload or {}
        original = await self._messages.get(source.id, str(payload["original"]), 0)
        destination = await self._boxes.get(str(payload["destination"]))
        long_enough = self._takes.length_ms(take) >= source.system.min_message_size
        await self._delivery.forward(original, destination, take, intro=long_enough)
        log.info("take.adopted", take=take.id, forwarded=original.id)
