"""Protocol of the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ivr.storage.records import AuditEntry, AuditQuery


class AuditStore(Protocol):
    """Entries that are never changed; retention alone removes them."""

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries in one transaction."""

    async def find(self, query: AuditQuery, limit: int) -> list[AuditEntry]:
        """Return entries, newest first."""
