"""The audit log: one line of the log and one row for each action that people may ask about later."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from ivr.clock import Clock
from ivr.errors import IvrError
from ivr.storage.protocols import AuditStore
from ivr.storage.records import Actor, AuditAction, AuditEntry

log = structlog.get_logger()


class AuditLog:
    """Records actions. Phone, REST and commands use it."""

    def __init__(self, store: AuditStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

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
        now = int(self._clock.now())
        entries = [AuditEntry(now, account_id, box_id, action, subject, actor) for subject in subjects]
        for entry in entries:
            log.info(
                "audit",
                action=str(action),
                account=account_id,
                box=box_id,
                subject=entry.subject,
                door=str(actor.door),
                user=actor.user,
                device=actor.device,
                proof=actor.proof,
            )
        try:
            await self._store.append(entries)
        except IvrError as error:
            log.error("audit.not_stored", action=str(action), account=account_id, error=str(error))
