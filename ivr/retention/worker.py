"""The sweeper: turn by turn, a bounded piece of work at a time, so that no call ever waits for it.

Whatever interrupts it, the next turn goes on: each rule finds what is due by its age, and files that must follow a
removed row are written down with its tombstone. The writer is held for one batch at a time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from itertools import groupby

import structlog

from ivr.clock import Clock
from ivr.directory.directory import Directory
from ivr.errors import IvrError
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.retention.consistency_check import ConsistencyCheck
from ivr.retention.rules import REPLACED_AUDIO_GRACE_S, ROW_AGE_RULES, RetentionSettings
from ivr.storage.protocols import AudioStore, MessageStore, RetentionStore
from ivr.storage.records import DueItem, PendingUnlink, RetentionRule

BATCH_SIZE = 100
"""Rows of one rule in one transaction: a few milliseconds of the writer."""
PAUSE_S = 0.2
"""Between two turns while there is more to do."""

log = structlog.get_logger()


class RetentionWorker:
    """Keeps the promise that gone means gone."""

    def __init__(
        self,
        store: RetentionStore,
        messages: MessageStore,
        directory: Directory,
        recordings: AudioStore,
        consistency_check: ConsistencyCheck,
        settings: RetentionSettings,
        voicemail_settings: VoicemailSettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._messages = messages
        self._directory = directory
        self._recordings = recordings
        self._consistency_check = consistency_check
        self._settings = settings
        self._voicemail_settings = voicemail_settings
        self._clock = clock

    async def run_forever(self) -> None:
        """Sweep for as long as the service lives. A turn that fails is told, and made up for by the next."""
        while True:
            more = False
            try:
                more = await self.run_once()
            except IvrError as error:
                log.warning("sweep.postponed", reason=str(error), again_in_s=self._settings.every_s)
            except Exception:
                log.exception("sweep.broke", again_in_s=self._settings.every_s)
            await asyncio.sleep(PAUSE_S if more else self._settings.every_s)

    async def run_once(self, tally: Counter[str] | None = None) -> bool:
        """One batch of each rule, and one of looking around; whether there is more to do at once.

        `tally` is made to count what was done, by the reason.
        """
        tally = Counter() if tally is None else tally
        more = await self._hide_past_retention(tally)
        for rule in ROW_AGE_RULES:
            done = await self._store.apply_rule(rule, self._settings.cutoff(rule, self._clock.now()), BATCH_SIZE)
            _log_applied(rule, done)
            tally[rule.value] += len(done)
            more |= len(done) == BATCH_SIZE
        more |= await self._unlink_pending()
        return await self._consistency_check.run_once(tally) or more

    async def preview(self, limit: int) -> list[DueItem]:
        """What the next turns would do to the store, at most `limit` of each rule; changes nothing."""
        now = self._clock.now()
        found: list[DueItem] = []
        for account in await self._directory.accounts():
            not_before = self._voicemail_settings.merged_with(account.settings).retention_cutoff(now)
            found += await self._store.messages_past_retention(account.id, not_before, limit)
        for rule in ROW_AGE_RULES:
            found += await self._store.find_due(rule, self._settings.cutoff(rule, now), limit)
        return found

    async def _hide_past_retention(self, tally: Counter[str]) -> bool:
        """Past retention: hidden and refused, in accounts that nobody dials too."""
        more = False
        for account in await self._directory.accounts():
            not_before = self._voicemail_settings.merged_with(account.settings).retention_cutoff(self._clock.now())
            hidden = await self._messages.expire(account.id, not_before, BATCH_SIZE)
            tally[RetentionRule.PAST_RETENTION.value] += hidden
            more |= hidden == BATCH_SIZE
        return more

    async def _unlink_pending(self) -> bool:
        leftovers = await self._store.pending_unlinks(
            BATCH_SIZE, replaced_before=int(self._clock.now()) - REPLACED_AUDIO_GRACE_S
        )
        if leftovers:
            await asyncio.to_thread(self._unlink_files, leftovers)
            await self._store.mark_unlinked([one.id for one in leftovers])
        return len(leftovers) == BATCH_SIZE

    def _unlink_files(self, pending: Collection[PendingUnlink]) -> None:
        for stem in (stem for one in pending for stem in one.stems):
            self._recordings.remove_all_files(stem)


def _log_applied(rule: RetentionRule, items: list[DueItem]) -> None:
    if rule in (RetentionRule.CALL_RECORD, RetentionRule.AUTH_ATTEMPTS):
        if items:
            log.info("sweep.done", what=rule.value, number=len(items))
        return
    for box, those in groupby(sorted(items, key=lambda one: one.box_id), key=lambda one: one.box_id):
        log.info("sweep.done", what=rule.value, box=box, ids=[one.id for one in those])
