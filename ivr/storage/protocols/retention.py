"""Storage interface of retention."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from ivr.storage.records import AuditEntry, DueItem, MediaDirectory, PendingUnlink, RetentionRule, StoredAudio


class RetentionStore(Protocol):
    """Finds rows by their age and removes them, and lists the files that remain."""

    async def messages_past_retention(self, account_id: str, not_before: int, limit: int) -> list[DueItem]:
        """Return visible messages of an account that were left before `not_before` (Unix s)."""

    async def find_due(self, rule: RetentionRule, cutoff: int, limit: int) -> list[DueItem]:
        """Return what a rule would remove, oldest first, without changing anything."""

    async def apply_rule(
        self, rule: RetentionRule, cutoff: int, limit: int, to_entry: Callable[[DueItem], AuditEntry] | None
    ) -> list[DueItem]:
        """Apply a rule in one transaction and return what was removed. Its files become pending unlinks.

        `to_entry`: the entry of the audit log about an item, stored in the same transaction; None: there is none.
        """

    async def pending_unlinks(self, limit: int, *, replaced_before: int) -> list[PendingUnlink]:
        """Return what was removed and still has files; replaced audio only if it was replaced before that (Unix s)."""

    async def purge_search_words(self, *, begin: bool) -> bool:
        """Write a part of the search index again without removed messages; `begin`: the first part.

        Return whether there are more parts.
        """

    async def mark_unlinked(self, ids: Sequence[str]) -> None:
        """Record that the files of these pending unlinks were deleted."""

    async def unused_media(self, after: str, cutoff: int, limit: int) -> tuple[str | None, list[str]]:
        """Read `limit` greetings and names after the id `after`; return the last id (None: end) and what is unused.

        Unused is what was created before `cutoff` and is referenced by no mailbox and no user.
        """

    async def soft_delete_media(self, media_ids: Sequence[str]) -> None:
        """Soft-delete media, unless they came into use meanwhile."""

    async def existing_ids(self, media_directory: MediaDirectory, ids: Collection[str]) -> set[str]:
        """Return those of `ids` that a row, hidden or not, refers to."""

    async def stored_audio(self, after: str, limit: int) -> tuple[str | None, list[StoredAudio]]:
        """Look at `limit` messages after the id `after`; return the last id, None at the end, and the audible ones."""
