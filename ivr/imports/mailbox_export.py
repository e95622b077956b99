"""One mailbox on the way back to app_voicemail: its messages and greetings, written to the spool, each once."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ivr.audio import telephony_encoders, wav
from ivr.clock import Clock
from ivr.errors import InvalidAudio
from ivr.imports import message_fields
from ivr.imports.app_voicemail import APP_VOICEMAIL
from ivr.imports.export_plan import BoxExportReport, ExportOptions, ExportPlan, ExportTarget, PlannedMessage
from ivr.imports.import_target import source_id
from ivr.imports.message_text import format_text, unplaced_labels
from ivr.imports.spool import SpoolBox, SpoolMessage
from ivr.imports.spool_writer import TEXT_SUFFIX, SpoolDraft, SpoolWriter
from ivr.imports.system import NoteLevel
from ivr.storage.files import run_as_owner_of
from ivr.storage.protocols import AudioStore, ImportStore
from ivr.storage.records import ImportedKind, ImportedObject, MediaKind, Message

MESSAGES_PER_LOCK = 25
GREETING_NAMES = {
    MediaKind.UNAVAILABLE: "unavail",
    MediaKind.BUSY: "busy",
    MediaKind.TEMPORARY: "temp",
    MediaKind.NAME: "greet",
}
MOVED_MEANWHILE = "app_voicemail moves it; run the command again"


@dataclass(frozen=True, slots=True)
class ExportJob:
    """One mailbox to export. `suffixes`: of the audio files. `exported`: what an earlier export has dealt with."""

    options: ExportOptions
    target: ExportTarget
    found: SpoolBox
    exported: Collection[str]
    suffixes: Sequence[str]
    report: BoxExportReport


class MailboxExport:
    """Exports messages and greetings. `audio_paths` returns the files of a message in playing order.

    Messages are written some at a time, and recorded then: an export that was interrupted goes on where it was.
    """

    def __init__(
        self,
        store: ImportStore,
        recordings: AudioStore,
        clock: Clock,
        audio_paths: Callable[[Message], Sequence[Path]],
    ) -> None:
        self._store = store
        self._recordings = recordings
        self._clock = clock
        self._audio_paths = audio_paths
        self._slots = asyncio.Semaphore(os.cpu_count() or 1)

    async def export_messages(self, job: ExportJob, plan: ExportPlan) -> None:
        """Write, move and record the messages of a plan. Raises `StoreError`, `SoundsError`, OSError."""
        by_folder: defaultdict[str, list[PlannedMessage]] = defaultdict(list)
        for one in plan.to_write:
            by_folder[one.folder].append(one)
        for planned in by_folder.values():
            for start in range(0, len(planned), MESSAGES_PER_LOCK):
                await self._write(job, planned[start : start + MESSAGES_PER_LOCK])
        for one in plan.to_move:
            assert one.found
            await self._move(job, one.found, one.folder, one.key, one.message.id)
        for key, message_id, message in plan.to_remove:
            await self._move(job, message, message_fields.DELETED, key, message_id)
        job.report.in_place = len(plan.in_place)
        await self._record(job, [*((one.key, one.message.id) for one in plan.in_place), *plan.removed])

    async def export_greetings(self, job: ExportJob, *, dry_run: bool) -> None:
        """Write the greetings that the spool does not have yet. Raises as `export_messages` does."""
        mailbox = job.target.mailbox
        imported = {
            (one.source_id, one.target_id) for one in await self._store.list_imported(ImportedKind.GREETING, mailbox.id)
        }
        for kind, name in GREETING_NAMES.items():
            media_id = mailbox.active_media_id(kind)
            key = source_id(APP_VOICEMAIL, mailbox.account_id, job.target.key, name)
            is_there = (key, media_id) in imported and name in job.found.greetings
            if media_id is None or is_there or f"{key}/{media_id}" in job.exported:
                continue
            if kind is MediaKind.TEMPORARY and (until := mailbox.settings.media.temporary_until) is not None:
                if until <= self._clock.now():
                    continue
                job.report.note(
                    NoteLevel.WARNING,
                    f"greeting temp: here it ends on {mailbox.local_time(until):%Y-%m-%d}, in app_voicemail never:"
                    " remove it then",
                )
            job.report.greetings.append(name)
            if not dry_run:
                await self._write_greeting(job, name, media_id, key)

    async def _write(self, job: ExportJob, chunk: Sequence[PlannedMessage]) -> None:
        results = await asyncio.gather(
            *(self._encode(self._audio_paths(one.message), job.suffixes) for one in chunk), return_exceptions=True
        )
        drafts, written = [], []
        for one, files in zip(chunk, results, strict=True):
            if isinstance(files, InvalidAudio | FileNotFoundError):
                job.report.note(NoteLevel.LOSS, f"message {one.message.id}: its audio is missing or damaged")
                continue
            if isinstance(files, BaseException):
                raise files
            if labels := unplaced_labels(one.message):
                job.report.note(NoteLevel.WARNING, f"message {one.message.id}: labels {', '.join(labels)} are lost")
            text = format_text(one.message, one.msg_id, len(files["wav"]) - wav.HEADER_BYTES)
            drafts.append(SpoolDraft(one.message.id, one.folder, {**files, TEXT_SUFFIX: text}))
            written.append((one.key, one.message.id))
        with run_as_owner_of(job.options.spool):
            self._writer(job).add(drafts)
        job.report.written += len(drafts)
        await self._record(job, written, new={one.key for one in chunk if one.is_new})

    async def _move(self, job: ExportJob, message: SpoolMessage, folder: str, key: str, message_id: str) -> None:
        with run_as_owner_of(job.options.spool):
            is_moved = self._writer(job).move(message, folder)
        if not is_moved:
            job.report.note(NoteLevel.LOSS, f"{message.name}: {MOVED_MEANWHILE}")
            return
        if folder == message_fields.DELETED:
            job.report.removed += 1
        else:
            job.report.moved += 1
        await self._record(job, [(key, message_id)])

    async def _write_greeting(self, job: ExportJob, name: str, media_id: str, key: str) -> None:
        mailbox = job.target.mailbox
        try:
            files = await self._encode([self._recordings.media_path(mailbox.account_id, media_id)], job.suffixes)
        except (InvalidAudio, FileNotFoundError):
            job.report.note(NoteLevel.LOSS, f"greeting {name}: its audio is missing or damaged")
            return
        with run_as_owner_of(job.options.spool):
            replaced = self._writer(job).replace_greeting(name, files)
        if replaced:
            job.report.note(NoteLevel.INFO, f"greeting {name}: the one before is in {', '.join(replaced)}")
        await self._store.add_imported(
            [
                self._record_of(job, ImportedKind.EXPORT, _export_key(job, f"{key}/{media_id}"), media_id),
                self._record_of(job, ImportedKind.GREETING, key, media_id),
            ]
        )

    async def _record(self, job: ExportJob, pairs: Sequence[tuple[str, str]], new: Collection[str] = ()) -> None:
        """Record source ids and ids here; for those in `new`, that the message is here, so that none is imported."""
        exports = [self._record_of(job, ImportedKind.EXPORT, _export_key(job, key), target) for key, target in pairs]
        imports = [self._record_of(job, ImportedKind.MESSAGE, key, target) for key, target in pairs if key in new]
        await self._store.add_imported([*exports, *imports])

    def _record_of(self, job: ExportJob, kind: ImportedKind, key: str, target_id: str) -> ImportedObject:
        mailbox, now = job.target.mailbox, int(self._clock.now())
        return ImportedObject(kind, key, mailbox.account_id, mailbox.id, target_id, fingerprint="", run_id="", at=now)

    def _writer(self, job: ExportJob) -> SpoolWriter:
        return SpoolWriter(job.options.spool, job.target.number, job.target.context)

    async def _encode(self, paths: Sequence[Path], suffixes: Sequence[str]) -> dict[str, bytes]:
        def run() -> dict[str, bytes]:
            samples = b"".join(wav.read_samples(path) for path in paths)
            return {suffix: telephony_encoders.encode(samples, suffix) for suffix in suffixes}

        async with self._slots:
            await self._recordings.fetch(*paths)
            return await asyncio.to_thread(run)


def full_folders(plan: ExportPlan, found: SpoolBox) -> Counter[str]:
    """Return the number of messages that each folder of the spool will have."""
    after = Counter(message.folder for message in found.messages)
    after.update(one.folder for one in [*plan.to_write, *plan.to_move])
    after.update(message_fields.DELETED for _ in plan.to_remove)
    after.subtract(one.found.folder for one in plan.to_move if one.found)
    after.subtract(message.folder for _, _, message in plan.to_remove)
    return after


def _export_key(job: ExportJob, key: str) -> str:
    return f"{job.options.spool}|{key}"
