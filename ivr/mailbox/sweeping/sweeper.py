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
from ivr.mailbox.recordings import Recordings
from ivr.mailbox.store import MessageStore
from ivr.mailbox.sweeping.inspection import Inspection
from ivr.mailbox.sweeping.rules import STORED, Due, Leftover, Rule, SweepingSettings, SweepStore
from ivr.mailbox.system import VoicemailSettings

BATCH = 100
"""Rows of one rule in one transaction: a few milliseconds of the writer."""
PAUSE_S = 0.2
"""Between two turns while there is more to do."""

log = structlog.get_logger()


class Sweeper:
    """Keeps the promise that gone means gone."""

    def __init__(
        self, store: SweepStore, messages: MessageStore, directory: Directory, recordings: Recordings,
        inspection: Inspection, settings: SweepingSettings, system: VoicemailSettings, clock: Clock,
    ) -> None:  # fmt: skip
        self._store = store
        self._messages = messages
        self._directory = directory
        self._recordings = recordings
        self._inspection = inspection
        self._settings = settings
        self._system = system
        self._clock = clock

    async def run(self) -> None:
        """Sweep for as long as the service lives. A turn that fails is told, and made up for by the next."""
        while True:
            more = False
            try:
                more = await self.turn()
            except IvrError as error:
                log.warning("sweep.postponed", reason=str(error), again_in_s=self._settings.every_s)
            except Exception:
                log.exception("sweep.broke", again_in_s=self._settings.every_s)
            await asyncio.sleep(PAUSE_S if more else self._settings.every_s)

    async def turn(self, tally: Counter[str] | None = None) -> bool:
        """One batch of each rule, and one of looking around; whether there is more to do at once.

        `tally` is made to count what was done, by the reason.
        """
        tally = Counter() if tally is None else tally
        more = await self._hide(tally)
        for rule in STORED:
            done = await self._store.carry_out(rule, rule.before(self._clock.now(), self._settings), BATCH)
            _tell(rule, done)
            tally[rule.value] += len(done)
            more |= len(done) == BATCH
        more |= await self._files_follow()
        return await self._inspection.turn(tally) or more

    async def due(self, limit: int) -> list[Due]:
        """What the next turns would do to the store, at most `limit` of each rule; changes nothing."""
        now = self._clock.now()
        found: list[Due] = []
        for account in await self._directory.accounts():
            not_before = self._system.changed_by(account.settings).not_before(now)
            found += await self._store.past_retention(account.id, not_before, limit)
        for rule in STORED:
            found += await self._store.due(rule, rule.before(now, self._settings), limit)
        return found

    async def _hide(self, tally: Counter[str]) -> bool:
        """Past retention: hidden and refused, in accounts that nobody dials too."""
        more = False
        for account in await self._directory.accounts():
            not_before = self._system.changed_by(account.settings).not_before(self._clock.now())
            hidden = await self._messages.expire(account.id, not_before, BATCH)
            tally[Rule.RETENTION.value] += hidden
            more |= hidden == BATCH
        return more

    async def _files_follow(self) -> bool:
        leftovers = await self._store.leftovers(BATCH)
        if leftovers:
            await asyncio.to_thread(self._unlink, leftovers)
            await self._store.files_gone([one.id for one in leftovers])
        return len(leftovers) == BATCH

    def _unlink(self, leftovers: Collection[Leftover]) -> None:
        for stem in (stem for one in leftovers for stem in one.stems):
            self._recordings.remove_forms(stem)


def _tell(rule: Rule, done: list[Due]) -> None:
    if rule in (Rule.CALL, Rule.FAILURE):
        if done:
            log.info("sweep.done", what=rule.value, number=len(done))
        return
    for box, those in groupby(sorted(done, key=lambda one: one.box_id), key=lambda one: one.box_id):
        log.info("sweep.done", what=rule.value, box=box, ids=[one.id for one in those])
