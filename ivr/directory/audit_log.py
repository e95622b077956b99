"""The audit log: one line of the log and one row for each action that people may ask about later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from ivr.clock import Clock
from ivr.errors import IvrError
from ivr.storage.delayed_commit import DelayedCommit
from ivr.storage.protocols import AuditStore
from ivr.storage.records import Actor, AuditAction, AuditEntry

VISIT_S = 900
"""A client that proves itself with each request leaves an entry with its first one, and again after this time."""
MAX_VISITS = 10_000
"""Visits that are remembered; then all are forgotten, and clients leave one entry more."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AuditedChange:
    """One of many actions. `subject`: as of `AuditEntry`."""

    action: AuditAction
    account_id: str
    box_id: str | None
    subject: str


class AuditLog:
    """Records actions. Phone, REST and commands use it.

    `delay_s`: seconds within which the entries of `record_soon` are stored, in one transaction.
    """

    def __init__(self, store: AuditStore, clock: Clock, *, delay_s: float = 0.25) -> None:
        self._store = store
        self._clock = clock
        self._pending: list[AuditEntry] = []
        self._delayed_commit = DelayedCommit(self.flush, delay_s=delay_s)
        self._visits: dict[tuple[str, ...], float] = {}

    async def record(
        self,
        actor: Actor,
        action: AuditAction,
        *,
        account_id: str,
        box_id: str | None = None,
        subjects: Sequence[str] = ("",),
    ) -> None:
        """Record an action, once for each subject: the id of a message or token, or names of settings.

        An entry that cannot be stored is in the log alone, with the error: it ends no call and no request.
        """
        self._pending += self._log_entries(actor, action, account_id, box_id, subjects)
        await self.flush()

    async def record_all(self, actor: Actor, changes: Sequence[AuditedChange]) -> None:
        """Record many actions of one command, in one transaction."""
        for change in changes:
            self._pending += self._log_entries(
                actor, change.action, change.account_id, change.box_id, (change.subject,)
            )
        await self.flush()

    def is_new_visit(self, *who: str) -> bool:
        """Return whether a request is the first of a visit, whose sign-in must be recorded: it has no session.

        `who`: what was proven, and the address of the client.
        """
        now = self._clock.monotonic()
        if now < self._visits.get(who, now):
            return False
        if len(self._visits) >= MAX_VISITS:
            self._visits.clear()
        self._visits[who] = now + VISIT_S
        return True

    def record_soon(
        self, actor: Actor, action: AuditAction, *, account_id: str, box_id: str | None, subject: str = ""
    ) -> None:
        """Record an action that is too frequent for a commit each. It is in the log at once, stored a little later."""
        self._pending += self._log_entries(actor, action, account_id, box_id, (subject,))
        self._delayed_commit.request()

    async def flush(self) -> None:
        """Store the entries that are not stored yet."""
        entries, self._pending = self._pending, []
        if not entries:
            return
        try:
            await self._store.append(entries)
        except IvrError as error:
            log.error("audit.not_stored", entries=len(entries), error=str(error))

    async def close(self) -> None:
        """Store the entries that are not stored yet, before the database is closed."""
        await self._delayed_commit.close()

    def _log_entries(
        self, actor: Actor, action: AuditAction, account_id: str, box_id: str | None, subjects: Sequence[str]
    ) -> list[AuditEntry]:
        entries = [
            AuditEntry(int(self._clock.now()), account_id, box_id, action, subject, actor) for subject in subjects
        ]
        self.log_stored(entries)
        return entries

    def log_stored(self, entries: Sequence[AuditEntry]) -> None:
        """Write the lines of entries that the transaction of their change stores or has stored."""
        for entry in entries:
            log.info(
                "audit",
                action=str(entry.action),
                account=entry.account_id,
                box=entry.box_id,
                subject=entry.subject,
                door=str(entry.actor.door),
                user=entry.actor.user,
                device=entry.actor.device,
                proof=entry.actor.proof,
            )
