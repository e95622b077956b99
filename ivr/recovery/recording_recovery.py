"""Recovers recordings interrupted by a crash of the service, Asterisk or the host, and delivers each exactly once.

A take is recovered when nothing records into it any more: no call of any process has it, and its channel is gone. AMI
tells whether the channel is gone. Without AMI, the file decides: Asterisk flushes a recording at least every 2.1 s, so
a file that has not grown for 5 s is finished. (When the service dies, Asterisk records on until the caller hangs up;
after a restart such a take may grow for a long time.)

A crash at any point leaves a take that the next run recovers. The message id is assigned when the take begins, the
file is removed last, and a row that exists is not inserted again.

Greetings and names are never published automatically; their owner is asked at the next login.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from ivr.clock import Clock
from ivr.errors import InvalidAudio, IvrError, NotFound
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.delivery import Delivery, find_copy_recipients
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.takes import REPLACES_PAYLOAD_KEY, Takes
from ivr.recovery.fallback_recordings import DEFAULT_TIMING, FallbackRecordingImporter, GrowthMonitor, RecoveryTiming
from ivr.storage.protocols import MessageStore
from ivr.storage.records import RecordingPurpose, Take

ChannelGoneCheck = Callable[[str], Awaitable[bool | None]]
"""Tells whether the channel of this name is gone; None if that is not known."""

log = structlog.get_logger()


async def always_unknown(channel: str) -> bool | None:
    """The channel check of an installation without AMI."""
    return None


class TakeRecovery:
    """Turns one finished take into what it was recorded for."""

    def __init__(self, takes: Takes, boxes: Boxes, delivery: Delivery, messages: MessageStore) -> None:
        self._takes = takes
        self._boxes = boxes
        self._delivery = delivery
        self._messages = messages

    async def recover(self, take: Take) -> None:
        """Deliver a message or intro; leave a greeting or name to its owner's decision.

        A take that is too short, or without speech, is discarded.

        Raises `NotFound`, `InvalidAudio`, `StoreError`.
        """
        mailbox = await self._boxes.get(take.box_id)
        shortfall = await self._takes.find_shortfall(take, mailbox)
        replaced = await self._find_replaced_take(take)
        if replaced and not shortfall:
            await self._takes.discard(replaced)
        if shortfall:
            log.info("take.discarded", take=take.id, reason=str(shortfall))
            await self._takes.discard(take)
        elif take.purpose is RecordingPurpose.INTRO:
            await self._recover_intro(take, mailbox)
        elif take.purpose is RecordingPurpose.MESSAGE:
            copies_for = await find_copy_recipients(take, self._boxes)
            message = await self._delivery.deliver(take, mailbox, copies_for)
            log.info("take.recovered", take=take.id, message=message.id, length_ms=message.length_ms)
        else:
            await self._takes.mark_awaiting_owner(take)

    async def _find_replaced_take(self, take: Take) -> Take | None:
        replaced_id = (take.payload or {}).get(REPLACES_PAYLOAD_KEY)
        unfinished = await self._takes.list_unfinished() if replaced_id else []
        return next((other for other in unfinished if other.id == replaced_id), None)

    async def _recover_intro(self, take: Take, source: Mailbox) -> None:
        payload = take.payload or {}
        original = await self._messages.get(source.id, str(payload["original"]), 0)
        destination = await self._boxes.get(str(payload["destination"]))
        copies_for = await find_copy_recipients(take, self._boxes)
        await self._delivery.forward(original, destination, take, sender=source, copies_for=copies_for)
        log.info("take.recovered", take=take.id, forwarded=original.id)


class RecordingRecovery:
    """Recovers finished takes and fallback recordings, periodically."""

    def __init__(
        self,
        takes: Takes,
        take_recovery: TakeRecovery,
        fallback_importer: FallbackRecordingImporter,
        clock: Clock,
        is_channel_gone: ChannelGoneCheck = always_unknown,
        timing: RecoveryTiming = DEFAULT_TIMING,
    ) -> None:
        self._takes = takes
        self._take_recovery = take_recovery
        self._fallback_importer = fallback_importer
        self._clock = clock
        self._is_channel_gone = is_channel_gone
        self._timing = timing
        self._growth_monitor = GrowthMonitor(clock)
        self._retry_at: dict[str, float] = {}
        self._empty_state: tuple[bytes, int] | None = None
        """State of the takes in which a run found nothing at all, not even a recording in progress."""
        self._skipped_runs = 0
        self.last_run_at = 0
        """Unix seconds at which a run last ended without an error; 0: none has."""

    async def run_forever(self) -> None:
        """Run until cancelled. A failed run is logged and repeated after the interval."""
        while True:
            try:
                await self.run_if_needed()
            except IvrError as error:
                log.warning("recovery.postponed", reason=str(error))
            except Exception:
                log.exception("recovery.failed")
            await asyncio.sleep(self._timing.interval_s)

    async def run_if_needed(self) -> None:
        """Run, unless there was nothing before and nothing has changed: at rest a run is most of what a service does.

        Other nodes that are lost, and changes within the precision of the time of a folder, are found by a run that is
        never skipped.
        """
        state = self._takes.state()
        if state == self._empty_state and self._skipped_runs < self._timing.runs_per_forced_run:
            self._skipped_runs += 1
            self.last_run_at = int(self._clock.now())
            return
        self._skipped_runs, self._empty_state = 0, None
        if not await self.run_once():
            self._empty_state = state

    async def run_once(self) -> bool:
        """Recover what is finished now, unless another process is doing so. Return whether there was a recording."""
        has_found = True
        with self._takes.recovery_lock() as acquired:
            if acquired:
                has_found = await self._recover_finished()
        self.last_run_at = int(self._clock.now())
        return has_found

    async def has_pending(self) -> bool:
        """Whether a take without a call, or a fallback recording, is due for a first try or a retry."""
        now = self._clock.monotonic()
        takes = [take for take in await self._takes.list_unfinished() if now >= self._retry_at.get(take.id, 0)]
        return not all(map(self._takes.is_in_progress, takes)) or await self._fallback_importer.has_pending()

    async def _recover_finished(self) -> bool:
        unfinished = await self._takes.list_unfinished()
        orphaned = [take for take in unfinished if not self._takes.is_in_progress(take)]
        # A take that another one replaces is recovered once the other one was: it may be obsolete.
        replaced = {(take.payload or {}).get(REPLACES_PAYLOAD_KEY) for take in orphaned}
        finished = [take for take in orphaned if await self._is_finished(take) and take.id not in replaced]
        self._growth_monitor.retain_only({take.path for take in orphaned})
        self._retry_at = {take.id: self._retry_at[take.id] for take in orphaned if take.id in self._retry_at}
        for take in finished:
            await self._recover(take)
        has_fallback_recordings = await self._fallback_importer.run_once()
        return bool(unfinished) or has_fallback_recordings

    async def _is_finished(self, take: Take) -> bool:
        if self._clock.monotonic() < self._retry_at.get(take.id, 0):
            return False
        is_gone = await self._is_channel_gone(take.channel) if self._takes.is_own(take) else None
        unchanged_s = self._growth_monitor.unchanged_for_s(take.path, self._takes.length_ms(take))
        return unchanged_s >= self._timing.stable_after_s if is_gone is None else is_gone

    async def _recover(self, take: Take) -> None:
        try:
            await self._take_recovery.recover(take)
        except (NotFound, InvalidAudio) as error:
            log.warning("take.discarded", take=take.id, reason=str(error))
            await self._takes.discard(take)
        except IvrError as error:
            retry_in_s = self._timing.retry_after_s
            log.error("take.recovery_failed", take=take.id, reason=str(error), retry_in_s=retry_in_s)
            self._retry_at[take.id] = self._clock.monotonic() + retry_in_s
