"""Daily consistency check: files without a row, messages without audio, greetings that are not in use.

A crash between a file and its row leaves a file that nothing refers to; it is removed after some days. A row without
its file is logged and stays: the file can still be restored from a backup under the same name.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import structlog

from ivr.clock import Clock
from ivr.directory.directory import Directory
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.retention.rules import RetentionSettings
from ivr.storage.protocols import AudioStore, RetentionStore
from ivr.storage.records import MediaDirectory, StoredFile

ORPHAN_FILE = "file without a row: removed"
MISSING_AUDIO = "message without audio: logged, not changed"
UNUSED_MEDIA = "greeting or name not in use: soft-deleted"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """What one run of the check reads, and how many orphans a scan may remove."""

    files: int = 500
    messages: int = 200
    media: int = 20
    """For each recording, the settings of all boxes of its account may be read."""
    max_orphans: int = 100
    """Crashes leave a few orphans. With more of them the rows are missing, so no file is removed."""


DEFAULT_LIMITS = ScanLimits()


class ConsistencyCheck:
    """Scans all accounts, one batch per run. A scan begins once a day and after a restart."""

    def __init__(
        self,
        store: RetentionStore,
        directory: Directory,
        recordings: AudioStore,
        settings: RetentionSettings,
        clock: Clock,
        limits: ScanLimits = DEFAULT_LIMITS,
    ) -> None:
        self._store = store
        self._directory = directory
        self._recordings = recordings
        self._settings = settings
        self._clock = clock
        self._limits = limits
        self._scan: AsyncIterator[None] | None = None
        self._next_scan_at = -math.inf
        self._next_takes_scan_at = -math.inf

    async def run_once(self, tally: Counter[str]) -> bool:
        """Process one batch of the scan. Return whether the scan has more. `tally` counts the findings by reason."""
        if self._scan is None:
            if self._clock.monotonic() < self._next_scan_at:
                return False
            self._next_scan_at = self._clock.monotonic() + DAY_S
            self._scan = self._scan_all(tally)
        try:
            await anext(self._scan)
        except StopAsyncIteration:
            self._scan = None
        except BaseException:
            self._scan, self._next_scan_at = None, -math.inf  # The next run starts over with what failed.
            raise
        return self._scan is not None

    async def remove_orphaned_takes(self) -> int:
        """Remove the takes of this node without a row, once a day; return how many. Another node checks the rest."""
        if self._clock.monotonic() < self._next_takes_scan_at:
            return 0
        self._next_takes_scan_at = self._clock.monotonic() + DAY_S
        directories = [(MediaDirectory.TAKES, "")]
        orphans = [path async for batch in self._iter_orphans_in(directories) for path in batch]
        return await self._remove_orphans(orphans)

    async def orphans(self) -> list[Path]:
        """All files without a row that are old enough to be removed; changes nothing."""
        return [path async for batch in self._iter_orphans() for path in batch]

    async def _scan_all(self, tally: Counter[str]) -> AsyncIterator[None]:
        orphans: list[Path] = []
        async for batch in self._iter_orphans():
            orphans += batch[: self._limits.max_orphans + 1 - len(orphans)]
            yield
        tally[ORPHAN_FILE] += await self._remove_orphans(orphans)
        async for number in self._messages_without_audio():
            tally[MISSING_AUDIO] += number
            yield
        async for number in self._unused_media():
            tally[UNUSED_MEDIA] += number
            yield

    # -- files without a row -----------------------------------------------------------------------------------------

    async def _iter_orphans(self) -> AsyncIterator[list[Path]]:
        accounts = [account.id for account in await self._directory.accounts(include_deleted=True)]
        directories = [
            (directory, account_id)
            for account_id in accounts
            for directory in (MediaDirectory.MESSAGES, MediaDirectory.MEDIA)
        ]
        async for batch in self._iter_orphans_in([*directories, (MediaDirectory.TAKES, "")]):
            yield batch

    async def _iter_orphans_in(self, directories: Sequence[tuple[MediaDirectory, str]]) -> AsyncIterator[list[Path]]:
        for directory, account_id in directories:
            files = self._recordings.iter_files(account_id, directory.value)
            while batch := await asyncio.to_thread(_next_batch, files, self._limits.files):
                yield await self._find_orphans(directory, batch)

    async def _find_orphans(self, media_directory: MediaDirectory, batch: list[StoredFile]) -> list[Path]:
        cutoff = self._clock.now() - self._settings.orphan_file_days * DAY_S
        old = [(file.id, file.path) for file in batch if file.changed_at < cutoff]
        existing = await self._store.existing_ids(media_directory, {id_ for id_, _ in old})
        return [path for id_, path in old if id_ not in existing]

    async def _remove_orphans(self, orphans: list[Path]) -> int:
        if len(orphans) > self._limits.max_orphans:
            log.error(
                "retention.too_many_orphans",
                at_least=len(orphans),
                removed=0,
                remedy="If the database was restored from a backup, restore the audio of the same day too. "
                "'ivr purge --dry-run' lists the files.",
            )
            return 0
        for path in orphans:
            await asyncio.to_thread(self._recordings.remove, path)
            log.warning(
                "retention.orphan_removed", file=str(path), reason="no message, greeting or take refers to the file"
            )
        return len(orphans)

    # -- rows without a file -----------------------------------------------------------------------------------------

    async def _messages_without_audio(self) -> AsyncIterator[int]:
        after: str | None = ""
        while after is not None:
            after, messages = await self._store.stored_audio(after, self._limits.messages)
            paths = [(self._recordings.message_path(one.account_id, one.recording), one) for one in messages]
            paths += [
                (self._recordings.media_path(one.account_id, one.intro_id), one) for one in messages if one.intro_id
            ]
            missing = {*await asyncio.to_thread(self._recordings.find_missing, [path for path, _ in paths])}
            found = [(path, message) for path, message in paths if path in missing]
            for path, message in found:
                log.error(
                    "retention.audio_missing",
                    message=message.message_id,
                    box=message.box_id,
                    file=str(path),
                    remedy="restore the file from a backup, or delete the message",
                )
            yield len(found)

    # -- greetings and names that were replaced ----------------------------------------------------------------------

    async def _unused_media(self) -> AsyncIterator[int]:
        """Soft-delete recordings that are not in use and older than `deleted_days`."""
        after: str | None = ""
        cutoff = int(self._clock.now()) - self._settings.deleted_days * DAY_S
        while after is not None:
            after, unused = await self._store.unused_media(after, cutoff, self._limits.media)
            if unused:
                await self._store.soft_delete_media(unused)
                log.info("retention.applied", rule=UNUSED_MEDIA, ids=unused)
            yield len(unused)


def _next_batch(files: Iterator[StoredFile], size: int) -> list[StoredFile]:
    return list(islice(files, size))
