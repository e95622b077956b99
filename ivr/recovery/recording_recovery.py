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
from ivr.mailbox.copies import CopyDelivery
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.takes import Takes
from ivr.recovery.fallback_recordings import FallbackRecordingImporter
from ivr.recovery.file_stability import GrowthMonitor
from ivr.storage.protocols import MessageStore
from ivr.storage.records import RecordingPurpose, Take

STABLE_AFTER_S = 5.0
INTERVAL_S = 1.0
RETRY_AFTER_S = 30.0
"""After one that could not be adopted (a full disk, a locked database)."""

ChannelGoneCheck = Callable[[str], Awaitable[bool | None]]
"""Given the name of a channel; None: nobody knows."""

log = structlog.get_logger()


async def always_unknown(channel: str) -> bool | None:
    """While nothing asks Asterisk."""
    return None


class RecordingRecovery:
    """Looks at the takes that no call has, again and again."""

    def __init__(
        self,
        takes: Takes,
        fallback_importer: FallbackRecordingImporter,
        boxes: Boxes,
        delivery: Delivery,
        messages: MessageStore,
        clock: Clock,
        is_channel_gone: ChannelGoneCheck = always_unknown,
    ) -> None:
        self._takes = takes
        self._fallback_importer = fallback_importer
        self._boxes = boxes
        self._delivery = delivery
        self._messages = messages
        self._clock = clock
        self._is_channel_gone = is_channel_gone
        self._growth_monitor = GrowthMonitor(clock)
        self._retry_at: dict[str, float] = {}

    async def run_forever(self) -> None:
        """Adopt for as long as the service lives."""
        while True:
            try:
                await self.run_once()
            except IvrError as error:
                log.warning("adoption.postponed", reason=str(error))
            except Exception:
                log.exception("adoption.broke")
            await asyncio.sleep(INTERVAL_S)

    async def run_once(self) -> None:
        """Adopt what is at its end now, unless another process is at it."""
        with self._takes.recovery_lock() as is_ours:
            if is_ours:
                await self._recover_finished()

    async def has_pending(self) -> bool:
        """Whether there is something that no call has and that was not tried in vain just now."""
        now = self._clock.monotonic()
        takes = [take for take in await self._takes.list_unfinished() if now >= self._retry_at.get(take.id, 0)]
        return not all(map(self._takes.is_in_progress, takes)) or await self._fallback_importer.has_pending()

    async def _recover_finished(self) -> None:
        left_behind = [take for take in await self._takes.list_unfinished() if not self._takes.is_in_progress(take)]
        at_end = [take for take in left_behind if await self._is_finished(take)]
        self._growth_monitor.retain_only({take.path for take in left_behind})
        self._retry_at = {take.id: self._retry_at[take.id] for take in left_behind if take.id in self._retry_at}
        for take in at_end:
            await self._recover(take)
        await self._fallback_importer.run_once(STABLE_AFTER_S)

    async def _is_finished(self, take: Take) -> bool:
        if self._clock.monotonic() < self._retry_at.get(take.id, 0):
            return False
        gone = await self._is_channel_gone(take.channel)
        quiet_s = self._growth_monitor.unchanged_for_s(take.path, self._takes.length_ms(take))
        return quiet_s >= STABLE_AFTER_S if gone is None else gone

    async def _recover(self, take: Take) -> None:
        try:
            if take.purpose is RecordingPurpose.MESSAGE:
                await self._recover_message(take)
            elif take.purpose is RecordingPurpose.INTRO:
                await self._recover_intro(take)
            else:
                await self._mark_awaiting_owner(take)
        except (NotFound, InvalidAudio) as reason:
            log.warning("take.dropped", take=take.id, reason=str(reason))
            await self._takes.discard(take)
        except IvrError as error:
            log.error("take.not_adopted", take=take.id, reason=str(error), again_in_s=RETRY_AFTER_S)
            self._retry_at[take.id] = self._clock.monotonic() + RETRY_AFTER_S

    async def _recover_message(self, take: Take) -> None:
        mailbox = await self._boxes.get(take.box_id)
        if self._takes.length_ms(take) < mailbox.voicemail_settings.min_message_size:
            log.info("take.dropped", take=take.id, reason="shorter than the minimum")
            await self._takes.discard(take)
            return
        message = await self._delivery.deliver(take, mailbox)
        await CopyDelivery(self._boxes, self._delivery).deliver_copies(take, message)
        log.info("take.adopted", take=take.id, message=message.id, length_ms=message.length_ms)

    async def _mark_awaiting_owner(self, take: Take) -> None:
        mailbox = await self._boxes.get(take.box_id)
        if self._takes.length_ms(take) < mailbox.voicemail_settings.min_message_size:
            log.info("take.dropped", take=take.id, reason="shorter than the minimum")
            await self._takes.discard(take)
            return
        await self._takes.mark_awaiting_owner(take)

    async def _recover_intro(self, take: Take) -> None:
        source = await self._boxes.get(take.box_id)
        payload = take.payload or {}
        original = await self._messages.get(source.id, str(payload["original"]), 0)
        destination = await self._boxes.get(str(payload["destination"]))
        long_enough = self._takes.length_ms(take) >= source.voicemail_settings.min_message_size
        await self._delivery.forward(original, destination, take, include_intro=long_enough)
        log.info("take.adopted", take=take.id, forwarded=original.id)
