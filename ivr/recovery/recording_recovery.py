"""What was said but not kept, because service, Asterisk or machine died, is kept later, once (design, idea 7).

A take is adopted only when nobody records into it any more: no call of this process has it, and its channel is gone.
Whether it is gone, Asterisk's manager knows; where nobody can ask it, the file tells: Asterisk writes out what it holds
at least every 2.1 s, so a file that has not grown for 5 s is at its end. (When the service dies, Asterisk records on
until the caller hangs up, so after a restart such a take may grow for a long time yet.)

A crash at any point leaves a take that the next turn adopts: its message id was settled when it began, its file goes
last, and a row that is there already is not made again.

A greeting or a name is nothing that callers hear before its owner says so: it is put aside for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from ivr.clock import Clock
from ivr.errors import InvalidAudio, IvrError, NotFound
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.copies import Copies
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.takes import Takes
from ivr.recovery.fallback_recordings import Alone
from ivr.recovery.file_stability import Quiet
from ivr.storage.protocols import MessageStore
from ivr.storage.records import RecordingPurpose, Take

QUIET_S = 5.0
EVERY_S = 1.0
RETRY_S = 30.0
"""After one that could not be adopted (a full disk, a locked database)."""

ChannelIsGone = Callable[[str], Awaitable[bool | None]]
"""Given the name of a channel; None: nobody knows."""

log = structlog.get_logger()


async def nobody_knows(channel: str) -> bool | None:
    """While nothing asks Asterisk."""
    return None


class Adoption:
    """Looks at the takes that no call has, again and again."""

    def __init__(
        self,
        takes: Takes,
        alone: Alone,
        boxes: Boxes,
        delivery: Delivery,
        messages: MessageStore,
        clock: Clock,
        channel_is_gone: ChannelIsGone = nobody_knows,
    ) -> None:
        self._takes = takes
        self._alone = alone
        self._boxes = boxes
        self._delivery = delivery
        self._messages = messages
        self._clock = clock
        self._channel_is_gone = channel_is_gone
        self._quiet = Quiet(clock)
        self._later: dict[str, float] = {}

    async def run_forever(self) -> None:
        """Adopt for as long as the service lives."""
        while True:
            try:
                await self.turn()
            except IvrError as error:
                log.warning("adoption.postponed", reason=str(error))
            except Exception:
                log.exception("adoption.broke")
            await asyncio.sleep(EVERY_S)

    async def turn(self) -> None:
        """Adopt what is at its end now, unless another process is at it."""
        with self._takes.adopting() as is_ours:
            if is_ours:
                await self._turn()

    async def is_anything_left(self) -> bool:
        """Whether there is something that no call has and that was not tried in vain just now."""
        now = self._clock.monotonic()
        takes = [take for take in await self._takes.left_behind() if now >= self._later.get(take.id, 0)]
        return not all(map(self._takes.is_attended, takes)) or await self._alone.is_anything_left()

    async def _turn(self) -> None:
        left_behind = [take for take in await self._takes.left_behind() if not self._takes.is_attended(take)]
        at_end = [take for take in left_behind if await self._is_at_its_end(take)]
        self._quiet.keep_only({take.path for take in left_behind})
        self._later = {take.id: self._later[take.id] for take in left_behind if take.id in self._later}
        for take in at_end:
            await self._adopt(take)
        await self._alone.turn(QUIET_S)

    async def _is_at_its_end(self, take: Take) -> bool:
        if self._clock.monotonic() < self._later.get(take.id, 0):
            return False
        gone = await self._channel_is_gone(take.channel)
        quiet_s = self._quiet.for_s(take.path, self._takes.length_ms(take))
        return quiet_s >= QUIET_S if gone is None else gone

    async def _adopt(self, take: Take) -> None:
        try:
            if take.purpose is RecordingPurpose.MESSAGE:
                await self._as_message(take)
            elif take.purpose is RecordingPurpose.INTRO:
                await self._as_intro(take)
            else:
                await self._for_its_owner(take)
        except (NotFound, InvalidAudio) as reason:
            log.warning("take.dropped", take=take.id, reason=str(reason))
            await self._takes.drop(take)
        except IvrError as error:
            log.error("take.not_adopted", take=take.id, reason=str(error), again_in_s=RETRY_S)
            self._later[take.id] = self._clock.monotonic() + RETRY_S

    async def _as_message(self, take: Take) -> None:
        mailbox = await self._boxes.get(take.box_id)
        if self._takes.length_ms(take) < mailbox.system.min_message_size:
            log.info("take.dropped", take=take.id, reason="shorter than the minimum")
            await self._takes.drop(take)
            return
        message = await self._delivery.deliver(take, mailbox)
        await Copies(self._boxes, self._delivery).make(take, message)
        log.info("take.adopted", take=take.id, message=message.id, length_ms=message.length_ms)

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
