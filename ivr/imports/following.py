"""Follows a spool while app_voicemail goes on: new mailboxes and messages, and what owners move and delete there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from ivr.directory.models import Account
from ivr.errors import BadInput, Conflict, NotFound, SoundsError, StoreError
from ivr.imports import spool
from ivr.imports.importer import Importer
from ivr.imports.message_follower import MessageFollower
from ivr.imports.report import BoxReport
from ivr.imports.source import ImportOptions, Source, SourceBox, read_source
from ivr.imports.system import NoteLevel, VoicemailSystem

ERRORS = (NotFound, BadInput, Conflict, StoreError, SoundsError, OSError)
"""What may be mended while the spool is followed."""
Signature = tuple[tuple[str, int], ...]
"""Names of the folders of a mailbox, and when something in them was last created, renamed or removed, in ns."""


class SpoolFollowing:
    """Looks for changes of a spool until `wait` returns False, which is called between two looks.

    `on_change` is called for each mailbox that has changed, `on_error` with what keeps a change from being carried
    over, once: it is tried again at the next look.
    """

    def __init__(
        self,
        importer: Importer,
        follower: MessageFollower,
        wait: Callable[[], Awaitable[bool]],
        on_change: Callable[[BoxReport], None],
        on_error: Callable[[str], None],
    ) -> None:
        self._importer = importer
        self._follower = follower
        self._wait = wait
        self._on_change = on_change
        self._on_error = on_error
        self._done: dict[str, Signature] = {}
        """State of each mailbox folder whose changes are carried over."""
        self._last_seen: dict[str, Signature] = {}
        self._last_error = ""

    async def run(
        self, system: VoicemailSystem, options: ImportOptions, accounts: Sequence[Account], run_id: str
    ) -> None:
        """Follow the spool in a run that has imported what there was."""
        while True:
            try:
                await self._look(system, options, accounts, run_id)
                self._last_error = ""
            except ERRORS as error:
                if str(error) != self._last_error:
                    self._on_error(str(error))
                self._last_error = str(error)
            if not await self._wait():
                return

    async def _look(
        self, system: VoicemailSystem, options: ImportOptions, accounts: Sequence[Account], run_id: str
    ) -> None:
        source = await asyncio.to_thread(read_source, system, options, accounts)
        if source.refusals:
            raise Conflict("; ".join(source.refusals))
        errors: list[Exception] = []
        for box in source.boxes:
            signature = await asyncio.to_thread(read_signature, options.spool / box.context / box.number)
            if signature == self._done.get(box.key):
                continue
            try:
                await self._carry_over(system, options, source, box, run_id)
            except ERRORS as error:
                errors.append(error)
                continue
            # What was renamed while it was read may have been missed: nothing counts as deleted before it rests.
            is_at_rest = signature == self._last_seen.get(box.key)
            self._last_seen[box.key] = signature
            if is_at_rest:
                self._done[box.key] = signature
        if errors:
            raise errors[0]

    async def _carry_over(
        self, system: VoicemailSystem, options: ImportOptions, source: Source, box: SourceBox, run_id: str
    ) -> None:
        report = BoxReport(box.key, box.account.name)
        if box.definition and box.key not in self._last_seen:
            one_box = Source(source.conf, [box])
            await self._importer.create_boxes(system, one_box, options, {box.key: report}, run_id)
            report.notes = [note for note in report.notes if note.level > NoteLevel.INFO]
        folder = options.spool / box.context / box.number
        before = await asyncio.to_thread(read_signature, folder)
        found = await asyncio.to_thread(system.read_content, box.number, box.context)
        target = await self._importer.import_content(system, options, run_id, box, found, report)
        is_at_rest = before == self._last_seen.get(box.key) == await asyncio.to_thread(read_signature, folder)
        if target and is_at_rest and "messages" in options.only:
            await self._follower.apply(target, found, with_deletions=True)
        if report.imported or report.moved or report.deleted or report.created:
            self._on_change(report)


def read_signature(folder: Path) -> Signature:
    """Return the state of a mailbox folder: it is another one after a message came, moved or went."""
    return tuple(sorted(_folder_times(folder)))


def _folder_times(folder: Path) -> Iterator[tuple[str, int]]:
    try:
        yield "", folder.stat().st_mtime_ns
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) and entry.name != spool.TMP:
                    yield entry.name, entry.stat(follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:
        return
