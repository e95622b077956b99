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
from ivr.mailbox.recordings import Found, Recordings
from ivr.mailbox.sweeping.rules import Shelf, SweepingSettings, SweepStore
from ivr.mailbox.system import DAY_S

FILES = 500
ROWS = 200
MEDIA = 20
"""Looked at in one turn. For each of the last, the settings of all boxes of its account may be read."""

MOST_STRAYS = 100
"""Crashes leave a few. More than so many mean that it is the rows that are missing, so nothing is removed then."""

STRAY = "file that belongs to nothing: removed"
SILENT = "message without its audio: told in the log, kept"
UNUSED = "greeting or name not in use: soft-deleted"

log = structlog.get_logger()


class Inspection:
    """One pass goes through all accounts, a stretch a turn; it is begun once a day, and again after a restart."""

    def __init__(
        self, store: SweepStore, directory: Directory, recordings: Recordings, settings: SweepingSettings, clock: Clock
    ) -> None:
        self._store = store
        self._directory = directory
        self._recordings = recordings
        self._settings = settings
        self._clock = clock
        self._pass: AsyncIterator[None] | None = None
        self._next_at = 0.0

    async def turn(self, tally: Counter[str]) -> bool:
        """One stretch of the pass; whether it has more. `tally` counts what was found."""
        if self._pass is None:
            if self._clock.now() < self._next_at:
                return False
            self._next_at = self._clock.now() + DAY_S
            self._pass = self._go_round(tally)
        try:
            await anext(self._pass)
        except StopAsyncIteration:
            self._pass = None
        except BaseException:
            self._pass, self._next_at = None, 0.0  # What broke it is looked at again in the next turn.
            raise
        return self._pass is not None

    async def strays(self) -> list[Path]:
        """Every file that belongs to nothing and is old enough to go; changes nothing."""
        return [path async for found in self._all_strays() for path in found]

    async def _go_round(self, tally: Counter[str]) -> AsyncIterator[None]:
        strays: list[Path] = []
        async for found in self._all_strays():
            strays += found[: MOST_STRAYS + 1 - len(strays)]
            yield
        tally[STRAY] += await self._remove(strays)
        async for number in self._silent_messages():
            tally[SILENT] += number
            yield
        async for number in self._unused_media():
            tally[UNUSED] += number
            yield

    # -- files without a row -----------------------------------------------------------------------------------------

    async def _all_strays(self) -> AsyncIterator[list[Path]]:
        accounts = [account.id for account in await self._directory.accounts(deleted_too=True)]
        shelves = [(shelf, account) for account in accounts for shelf in (Shelf.MESSAGES, Shelf.MEDIA)]
        for shelf, account in [*shelves, (Shelf.TAKES, "")]:
            files = self._recordings.files(account, shelf.value)
            while batch := await asyncio.to_thread(_stretch, files):
                yield await self._strays_of(shelf, batch)

    async def _strays_of(self, shelf: Shelf, batch: list[Found]) -> list[Path]:
        before = self._clock.now() - self._settings.stray_days * DAY_S
        old = [(one.id, one.path) for one in batch if one.changed_at < before]
        known = await self._store.known(shelf, {id_ for id_, _ in old})
        return [path for id_, path in old if id_ not in known]

    async def _remove(self, strays: list[Path]) -> int:
        if len(strays) > MOST_STRAYS:
            log.error(
                "sweep.many_strays", at_least=len(strays), removed=0,
                remedy="was the database restored from a backup? restore the audio of the same day; "
                "'ivr purge --dry-run' lists them",
            )  # fmt: skip
            return 0
        for path in strays:
            await asyncio.to_thread(self._recordings.remove, path)
            log.warning("sweep.stray_removed", file=str(path), reason="it belongs to no message, greeting or recording")
        return len(strays)

    # -- rows without a file -----------------------------------------------------------------------------------------

    async def _silent_messages(self) -> AsyncIterator[int]:
        after: str | None = ""
        while after is not None:
            after, found = await self._store.audio(after, ROWS)
            silent = 0
            for one in found:
                wanted = [self._recordings.message(one.account_id, one.recording)]
                wanted += [self._recordings.media(one.account_id, one.intro_id)] if one.intro_id else []
                for path in await asyncio.to_thread(_missing, wanted):
                    silent += 1
                    log.error(
                        "sweep.audio_missing", message=one.message_id, box=one.box_id, file=str(path),
                        remedy="bring the file back from a backup, or delete the message",
                    )  # fmt: skip
            yield silent

    # -- greetings and names that were replaced ----------------------------------------------------------------------

    async def _unused_media(self) -> AsyncIterator[int]:
        """A recording that its owner has not put in use yet is offered to them for as long as a deleted message."""
        after: str | None = ""
        before = int(self._clock.now()) - self._settings.deleted_days * DAY_S
        while after is not None:
            after, unused = await self._store.replaced(after, before, MEDIA)
            if unused:
                await self._store.retire(unused)
                log.info("sweep.done", what=UNUSED, ids=unused)
            yield len(unused)


def _stretch(files: Iterator[Found]) -> list[Found]:
    return list(islice(files, FILES))


def _missing(paths: list[Path]) -> list[Path]:
    return [path for path in paths if not path.exists()]
