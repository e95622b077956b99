"""Once a day, a look around: files that belong to nothing, messages without audio, greetings that nobody uses.

A crash between a file and its row leaves a file that nobody can ever see; after some days it goes. A row without its
file is told and left alone: what is lost can still be brought back from a backup, under the same name.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path

import structlog

from ivr.clock import Clock
from ivr.directory.directory import Directory
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.retention.rules import RetentionSettings
from ivr.storage.protocols import AudioStore, RetentionStore
from ivr.storage.records import MediaDirectory, StoredFile

FILES_PER_RUN = 500
MESSAGES_PER_RUN = 200
MEDIA_PER_RUN = 20
"""Looked at in one turn. For each of the last, the settings of all boxes of its account may be read."""

MAX_ORPHANS = 100
"""Crashes leave a few. More than so many mean that it is the rows that are missing, so nothing is removed then."""

ORPHAN_FILE = "file that belongs to nothing: removed"
MISSING_AUDIO = "message without its audio: told in the log, kept"
UNUSED_MEDIA = "greeting or name not in use: soft-deleted"

log = structlog.get_logger()


class ConsistencyCheck:
    """One pass goes through all accounts, a stretch a turn; it is begun once a day, and again after a restart."""

    def __init__(
        self,
        store: RetentionStore,
        directory: Directory,
        recordings: AudioStore,
        settings: RetentionSettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._directory = directory
        self._recordings = recordings
        self._settings = settings
        self._clock = clock
        self._scan: AsyncIterator[None] | None = None
        self._next_scan_at = 0.0

    async def run_once(self, tally: Counter[str]) -> bool:
        """One stretch of the pass; whether it has more. `tally` counts what was found."""
        if self._scan is None:
            if self._clock.now() < self._next_scan_at:
                return False
            self._next_scan_at = self._clock.now() + DAY_S
            self._scan = self._scan_all(tally)
        try:
            await anext(self._scan)
        except StopAsyncIteration:
            self._scan = None
        except BaseException:
            self._scan, self._next_scan_at = None, 0.0  # What broke it is looked at again in the next turn.
            raise
        return self._scan is not None

    async def orphans(self) -> list[Path]:
        """Every file that belongs to nothing and is old enough to go; changes nothing."""
        return [path async for found in self._iter_orphans() for path in found]

    async def _scan_all(self, tally: Counter[str]) -> AsyncIterator[None]:
        strays: list[Path] = []
        async for found in self._iter_orphans():
            strays += found[: MAX_ORPHANS + 1 - len(strays)]
            yield
        tally[ORPHAN_FILE] += await self._remove_orphans(strays)
        async for number in self._messages_without_audio():
            tally[MISSING_AUDIO] += number
            yield
        async for number in self._unused_media():
            tally[UNUSED_MEDIA] += number
            yield

    # -- files without a row -----------------------------------------------------------------------------------------

    async def _iter_orphans(self) -> AsyncIterator[list[Path]]:
        accounts = [account.id for account in await self._directory.accounts(include_deleted=True)]
        shelves = [
            (shelf, account) for account in accounts for shelf in (MediaDirectory.MESSAGES, MediaDirectory.MEDIA)
        ]
        for shelf, account in [*shelves, (MediaDirectory.TAKES, "")]:
            files = self._recordings.iter_files(account, shelf.value)
            while batch := await asyncio.to_thread(_next_batch, files):
                yield await self._find_orphans(shelf, batch)

    async def _find_orphans(self, media_directory: MediaDirectory, batch: list[StoredFile]) -> list[Path]:
        before = self._clock.now() - self._settings.stray_days * DAY_S
        old = [(one.id, one.path) for one in batch if one.changed_at < before]
        known = await self._store.existing_ids(media_directory, {id_ for id_, _ in old})
        return [path for id_, path in old if id_ not in known]

    async def _remove_orphans(self, orphans: list[Path]) -> int:
        if len(orphans) > MAX_ORPHANS:
            log.error(
                "sweep.many_strays",
                at_least=len(orphans),
                removed=0,
                remedy="was the database restored from a backup? restore the audio of the same day; "
                "'ivr purge --dry-run' lists them",
            )
            return 0
        for path in orphans:
            await asyncio.to_thread(self._recordings.remove, path)
            log.warning("sweep.stray_removed", file=str(path), reason="it belongs to no message, greeting or recording")
        return len(orphans)

    # -- rows without a file -----------------------------------------------------------------------------------------

    async def _messages_without_audio(self) -> AsyncIterator[int]:
        after: str | None = ""
        while after is not None:
            after, found = await self._store.stored_audio(after, MESSAGES_PER_RUN)
            silent = 0
            for one in found:
                wanted = [self._recordings.message_path(one.account_id, one.recording)]
                wanted += [self._recordings.media_path(one.account_id, one.intro_id)] if one.intro_id else []
                for path in await asyncio.to_thread(_missing_files, wanted):
                    silent += 1
                    log.error(
                        "sweep.audio_missing",
                        message=one.message_id,
                        box=one.box_id,
                        file=str(path),
                        remedy="bring the file back from a backup, or delete the message",
                    )
            yield silent

    # -- greetings and names that were replaced ----------------------------------------------------------------------

    async def _unused_media(self) -> AsyncIterator[int]:
        """A recording that its owner has not put in use yet is offered to them for as long as a deleted message."""
        after: str | None = ""
        before = int(self._clock.now()) - self._settings.deleted_days * DAY_S
        while after is not None:
            after, unused = await self._store.unused_media(after, before, MEDIA_PER_RUN)
            if unused:
                await self._store.soft_delete_media(unused)
                log.info("sweep.done", what=UNUSED_MEDIA, ids=unused)
            yield len(unused)


def _next_batch(files: Iterator[StoredFile]) -> list[StoredFile]:
    return list(islice(files, FILES_PER_RUN))


def _missing_files(paths: list[Path]) -> list[Path]:
    return [path for path in paths if not path.exists()]
