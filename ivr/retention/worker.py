"""The retention worker: hides and removes what is due, a bounded batch at a time, so that no call waits for it.

An interrupted run needs no repair: each rule finds what is due by its age, and the files of a removed row are recorded
with its tombstone until they are unlinked. The database writer is held for one batch at a time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby

import structlog

from ivr.clock import CONFIRM_CLOCK
from ivr.directory.audit_log import AuditLog
from ivr.directory.directory import Directory
from ivr.errors import IvrError
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.retention.consistency_check import ConsistencyCheck
from ivr.retention.rules import ROW_AGE_RULES, RetentionSchedule
from ivr.storage.protocols import AudioStore, LeaseStore, MessageStore, RetentionStore
from ivr.storage.records import Actor, AuditAction, AuditEntry, Door, DueItem, PendingUnlink, RetentionRule

REMOVING_RULES = (RetentionRule.SOFT_DELETED, RetentionRule.EXPIRED)
"""Rules that remove messages for good."""
DELETING_RULES = (RetentionRule.DELETED, *REMOVING_RULES, RetentionRule.BOX)
"""Rules whose items are messages and mailboxes: what they do is in the audit log."""
RETENTION_DEVICE = "retention"
LEASE_NAME = "retention"
TIME_STORED_EVERY_S = 600
"""Seconds between two times that are stored as trusted."""
LEASE_MARGIN_S = 60
"""Seconds by which the lease outlasts the interval of the runs."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RetentionStorage:
    """What the worker removes from."""

    retention: RetentionStore
    messages: MessageStore
    recordings: AudioStore
    leases: LeaseStore
    audit_log: AuditLog


class RetentionWorker:
    """Applies the retention rules to all accounts.

    `batch_size`: rows of one rule in one transaction, a few milliseconds of the writer. `pause_s`: seconds between two
    batches while more is due; the interval of the settings applies otherwise.
    """

    def __init__(
        self,
        storage: RetentionStorage,
        directory: Directory,
        consistency_check: ConsistencyCheck,
        schedule: RetentionSchedule,
        *,
        batch_size: int = 100,
        pause_s: float = 0.2,
    ) -> None:
        self._store = storage.retention
        self._messages = storage.messages
        self._recordings = storage.recordings
        self._leases = storage.leases
        self._audit_log = storage.audit_log
        self._directory = directory
        self._consistency_check = consistency_check
        self._schedule = schedule
        self._batch_size = batch_size
        self._pause_s = pause_s
        self._has_words_to_purge = False
        self._is_clock_in_doubt = False
        self._leased_until = 0.0
        """Monotonic seconds until which this process need not renew the lease."""
        self.last_run_at = 0
        """Unix seconds at which a run last ended without an error; 0: none has."""

    async def run_forever(self) -> None:
        """Run until cancelled. A failed run is logged and repeated after the interval."""
        interval_s = self._schedule.settings.interval_s
        while True:
            more = False
            try:
                more = await self.run_unless_done_by_another()
            except IvrError as error:
                log.warning("retention.postponed", reason=str(error), retry_in_s=interval_s)
            except Exception:
                log.exception("retention.failed", retry_in_s=interval_s)
            await asyncio.sleep(self._pause_s if more else interval_s)

    async def run_unless_done_by_another(self) -> bool:
        """Run once, unless a process of this or another node does it for all. Return whether more is due now.

        The files in the folder of takes are those of this node, which checks them in any case.
        """
        if await self._hold_lease():
            return await self.run_once()
        await self.review_clock()
        await self._consistency_check.remove_orphaned_takes()
        self.last_run_at = int(self._schedule.clock.now())
        return False

    async def _hold_lease(self) -> bool:
        """Return whether this process has the lease. It is renewed when half of it is over, not with each batch."""
        now, duration_s = self._schedule.clock.monotonic(), self._schedule.settings.interval_s + LEASE_MARGIN_S
        if now < self._leased_until:
            return True
        is_holder = await self._leases.acquire(LEASE_NAME, duration_s)
        self._leased_until = now + duration_s / 2 if is_holder else 0.0
        return is_holder

    async def run_once(self, tally: Counter[str] | None = None) -> bool:
        """Process one batch of each rule and of the consistency check. Return whether more is due now.

        `tally` counts the items by reason.
        """
        tally = Counter() if tally is None else tally
        await self.review_clock()
        more = await self._hide_past_retention(tally)
        for rule in ROW_AGE_RULES:
            to_entry = self._to_entry if rule in DELETING_RULES else None
            items = await self._store.apply_rule(rule, self._schedule.cutoff(rule), self._batch_size, to_entry)
            _log_applied(rule, items)
            if to_entry:
                self._audit_log.log_stored([to_entry(item) for item in items])
            tally[rule.value] += len(items)
            more |= len(items) == self._batch_size
            self._has_words_to_purge |= bool(items) and rule in REMOVING_RULES
        more |= await self.unlink_pending()
        if self._has_words_to_purge and not more:
            await self.purge_search_words()
        more |= await self._consistency_check.run_once(tally)
        self.last_run_at = int(self._schedule.clock.now())
        return more

    async def review_clock(self) -> None:
        """Find out whether the clock is in doubt, and log it once; otherwise store the time for the next start."""
        clock = self._schedule.clock
        stored_at = await self._leases.trusted_time()
        if not clock.review(stored_at):
            if clock.lead_s() and not self._is_clock_in_doubt:
                log.error("retention.clock_in_doubt", days=int(clock.lead_s() / DAY_S), remedy=CONFIRM_CLOCK)
            self._is_clock_in_doubt = bool(clock.lead_s())
            return
        self._is_clock_in_doubt = False
        if abs(clock.now() - stored_at) >= TIME_STORED_EVERY_S:
            await self.confirm_clock()

    async def confirm_clock(self) -> None:
        """Trust the present time, here and, from their next run on, in all other processes."""
        clock = self._schedule.clock
        clock.trust(clock.now() + clock.lead_s())
        await self._leases.store_trusted_time(int(clock.now()))

    def _to_entry(self, item: DueItem) -> AuditEntry:
        subject = "" if item.id == item.box_id else item.id
        actor = Actor(Door.SERVICE, "", RETENTION_DEVICE, item.rule.value)
        now = int(self._schedule.clock.now())
        return AuditEntry(now, item.account_id, item.box_id, AuditAction.DELETED, subject, actor)

    async def preview(self, limit: int) -> list[DueItem]:
        """What the next runs would do to the store, at most `limit` items of each rule; changes nothing."""
        self._schedule.clock.review(await self._leases.trusted_time())
        due: list[DueItem] = []
        for account in await self._directory.accounts():
            not_before = self._schedule.cutoff_for_account(account)
            due += await self._store.messages_past_retention(account.id, not_before, limit)
        for rule in ROW_AGE_RULES:
            due += await self._store.find_due(rule, self._schedule.cutoff(rule), limit)
        return due

    async def _hide_past_retention(self, tally: Counter[str]) -> bool:
        """Hide expired messages, also in mailboxes that nothing else reads."""
        more = False
        for account in await self._directory.accounts():
            not_before = self._schedule.cutoff_for_account(account)
            hidden = await self._messages.expire(account.id, not_before, self._batch_size)
            tally[RetentionRule.PAST_RETENTION.value] += hidden
            more |= hidden == self._batch_size
        return more

    async def unlink_pending(self) -> bool:
        """Remove a batch of files of rows that are gone. Return whether more wait."""
        pending = await self._store.pending_unlinks(
            self._batch_size, replaced_before=self._schedule.replaced_audio_cutoff()
        )
        if pending:
            await asyncio.to_thread(self._unlink_files, pending)
            await self._store.mark_unlinked([item.id for item in pending])
        return len(pending) == self._batch_size

    async def purge_search_words(self) -> None:
        """Remove the words of removed messages from the search index, a part at a time."""
        begin = True
        while await self._store.purge_search_words(begin=begin):
            begin = False
            await asyncio.sleep(self._pause_s)
        self._has_words_to_purge = False

    def _unlink_files(self, pending: Collection[PendingUnlink]) -> None:
        for item in pending:
            for stem in item.stems:
                self._recordings.remove_all_files(stem)


def _log_applied(rule: RetentionRule, items: list[DueItem]) -> None:
    if rule in (RetentionRule.CALL_RECORD, RetentionRule.AUTH_ATTEMPTS):
        if items:
            log.info("retention.applied", rule=rule.value, number=len(items))
        return
    for box_id, of_box in groupby(sorted(items, key=lambda item: item.box_id), key=lambda item: item.box_id):
        log.info("retention.applied", rule=rule.value, box=box_id, ids=[item.id for item in of_box])
