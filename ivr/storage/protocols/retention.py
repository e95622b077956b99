"""Storage interface of audio files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from ivr.storage.records import DueItem, MediaDirectory, PendingUnlink, RetentionRule, StoredAudio, StoredFile


class AudioStore(Protocol):
    """The files of messages, greetings and takes. A stored file never changes, and is complete or absent.

    The methods that touch the disk block: call them in a worker thread. They raise `DiskFull` or `StoreError`.
    """

    @property
    def takes_folder(self) -> Path:
        """The folder that Asterisk records takes to."""

    @property
    def incoming_folder(self) -> Path:
        """The folder of uploads that are being received."""

    def message_path(self, account_id: str, recording_name: str) -> Path:
        """Return the path of a message's audio; `recording_name`: `Message.recording`."""

    def media_path(self, account_id: str, media_id: str) -> Path:
        """Return the path of a greeting, a name or an intro."""

    def upload_path(self, recording: Path) -> Path:
        """Return the path of the original upload, beside the recording that was made of it."""

    def take_path(self, take_id: str) -> Path:
        """Return the path that Asterisk records a take to."""

    def copy_and_repair(self, source: Path, target: Path) -> int:
        """Copy a recording of Asterisk, repair its header, and return its size in bytes. The source stays.

        Raises `NotFound`, `InvalidAudio`.
        """

    def write(self, pcm: bytes, target: Path) -> int:
        """Store samples as a recording and return its size in bytes."""

    def hard_link(self, source: Path, target: Path) -> int:
        """Store a recording under a further name and return its size in bytes. Raises `NotFound`."""

    def remove(self, path: Path) -> None:
        """Delete a file, if it exists."""

    def remove_all_files(self, stem: PurePosixPath) -> None:
        """Delete a recording in every format; `stem`: its path below the data folder, without a suffix."""

    def iter_files(self, account_id: str, media_directory: str) -> Iterator[StoredFile]:
        """Yield the files of a media directory of an account; for takes the account is ""."""

    def take_file_sizes(self, prefix: str) -> dict[str, int]:
        """Return the path and size in bytes of each file of the takes whose name begins with `prefix`."""

    def takes_changed_at(self) -> int:
        """Return when a file was last added to the folder of takes or removed, in ns; -1 without a folder.

        One system call, which does not wait for the disk.
        """


class RetentionStore(Protocol):
    """Finds rows by their age and removes them, and lists the files that remain."""

    async def messages_past_retention(self, account_id: str, not_before: int, limit: int) -> list[DueItem]:
        """Return visible messages of an account that were left before `not_before` (Unix s)."""

    async def find_due(self, rule: RetentionRule, cutoff: int, limit: int) -> list[DueItem]:
        """Return what a rule would remove, oldest first, without changing anything."""

    async def apply_rule(self, rule: RetentionRule, cutoff: int, limit: int) -> list[DueItem]:
        """Apply a rule in one transaction and return what was removed. Its files become pending unlinks."""

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
