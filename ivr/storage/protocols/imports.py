"""Storage interface of imports from other voicemail systems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ivr.storage.records import ImportedKind, ImportedObject, ImportRun, Message, StoredMedia, UndoResult


class ImportStore(Protocol):
    """Import runs, and what each has imported."""

    async def add_run(self, run: ImportRun) -> None:
        """Insert a run."""

    async def finish_run(self, run: ImportRun) -> None:
        """Store state, end and report of a run."""

    async def list_runs(self) -> list[ImportRun]:
        """Return all runs, newest first."""

    async def count_by_run(self, run_id: str) -> dict[ImportedKind, int]:
        """Return how many objects of each kind a run has imported."""

    async def list_imported(self, kind: ImportedKind, box_id: str) -> list[ImportedObject]:
        """Return what was imported into a mailbox."""

    async def is_purged(self, message_id: str) -> bool:
        """Return whether a message with this id existed and was removed."""

    async def add_message(self, message: Message, imported: ImportedObject, folder_changed_at: int) -> bool:
        """Insert a message whose audio is synced. Return False, and record it only, if the message exists already.

        It is exempt from the quota, and nothing is sent but the message light. `folder_changed_at`: Unix seconds at
        which it entered its folder. Raises `NotFound` if the mailbox does not exist.
        """

    async def add_greeting(self, media: StoredMedia, user_id: str | None, imported: ImportedObject) -> None:
        """Insert a recording whose audio is synced and make it active; a name also for the user `user_id`."""

    async def add_imported(self, objects: Sequence[ImportedObject]) -> None:
        """Record what was imported."""

    async def undo_messages(self, run_id: str, limit: int) -> int:
        """Remove at most `limit` messages of a run for good, and return how many. Their files are unlinked later."""

    async def undo_rest(self, run_id: str) -> UndoResult:
        """Remove the greetings, mailboxes and users of a run, as far as they are not in use since.

        The number of messages in the result is 0.
        """
