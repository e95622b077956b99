"""One import from another voicemail system: mailboxes, greetings and messages; and undoing it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from ivr.audio import wav
from ivr.clock import Clock
from ivr.directory.models import Account
from ivr.errors import BadInput, Conflict, InvalidAudio, NotFound
from ivr.ids import IdGenerator
from ivr.imports.box_import import BoxImport
from ivr.imports.import_target import ImportTarget, source_id
from ivr.imports.message_import import MessageImport, note_doubts
from ivr.imports.option_notes import general_notes
from ivr.imports.report import BoxReport, ImportReport
from ivr.imports.source import ImportOptions, Source, SourceBox, read_source
from ivr.imports.system import Note, NoteLevel, SourceContent, SourceMessage, VoicemailSystem
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.protocols import ImportStore
from ivr.storage.records import Forwarder, ImportedKind, ImportRun, ImportState, UndoResult

OnProgress = Callable[[int, int], None]
"""Called with the number of messages that are done, and of all messages."""
UNDO_BATCH = 200


class Importer:
    """Runs imports. One runs at a time: it works through the source, and the next goes on where it ended."""

    def __init__(
        self,
        store: ImportStore,
        boxes: Boxes,
        box_import: BoxImport,
        message_import: MessageImport,
        clock: Clock,
        ids: IdGenerator,
    ) -> None:
        self._store = store
        self._boxes = boxes
        self._box_import = box_import
        self._message_import = message_import
        self._clock = clock
        self._ids = ids

    async def check(
        self,
        system: VoicemailSystem,
        options: ImportOptions,
        accounts: Sequence[Account],
        on_progress: OnProgress = lambda done, total: None,
    ) -> ImportReport:
        """Return what an import would do. Nothing is stored; each audio file is decoded.

        Raises `NotFound`, `BadInput`, `StoreError`, OSError.
        """
        source, found, report = await self._read(system, options, accounts, None)
        for refusal in source.refusals:
            report.notes.append(_refusal_note(refusal))
        reports = {one.box: one for one in report.boxes}
        if "boxes" in options.only:
            mapped = await self._box_import.map_boxes(source, options, reports)
            await self._box_import.create(system.name, source, mapped, reports, run_id=None, now=int(self._clock.now()))
        progress = _Progress(found, on_progress)
        for box in source.boxes:
            mailbox = await self.find_mailbox(system, box)
            if mailbox is None and not reports[box.key].created:
                _note_contents_lost(reports[box.key], found[box.key])
                continue
            if "greetings" in options.only:
                await self._message_import.check_greetings(mailbox, found[box.key], reports[box.key])
            if "messages" in options.only:
                new = found[box.key].messages
                if mailbox:
                    new = await self._message_import.find_new(system.name, mailbox, new)
                reports[box.key].already_imported = len(found[box.key].messages) - len(new)
                await self._check_messages(options, box, new, reports[box.key], progress)
        return report

    async def run(
        self,
        system: VoicemailSystem,
        options: ImportOptions,
        accounts: Sequence[Account],
        on_progress: OnProgress = lambda done, total: None,
        *,
        follow: Callable[[str], Awaitable[None]] | None = None,
    ) -> ImportReport:
        """Import what was not imported yet. The run ends when `follow` does, which is called with its id.

        Raises `Conflict` if a context belongs to no account, or two mailboxes would be one, and as `check` does.
        """
        source, found, report = await self._read(system, options, accounts, self._ids.new_document_id())
        if source.refusals:
            raise Conflict("; ".join(source.refusals))
        assert report.run_id
        run = ImportRun(report.run_id, int(self._clock.now()), ImportState.RUNNING, options.to_document())
        reports = {one.box: one for one in report.boxes}
        await self.create_boxes(system, source, options, reports, run)
        progress = _Progress(found, on_progress)
        self._message_import.on_message = progress.advance
        for box in source.boxes:
            await self.import_content(system, options, run.id, box, found[box.key], reports[box.key])
        if follow:
            await follow(run.id)
        done = replace(run, state=ImportState.DONE, ended_at=int(self._clock.now()), report=report.to_document())
        await self._store.finish_run(done)
        return report

    async def create_boxes(
        self,
        system: VoicemailSystem,
        source: Source,
        options: ImportOptions,
        reports: dict[str, BoxReport],
        run: ImportRun | str,
    ) -> None:
        """Create the mailboxes that do not exist here yet, in a new run or in that with the id `run`."""
        mapped = {}
        if "boxes" in options.only:
            mapped = await self._box_import.map_boxes(source, options, reports)
        self._box_import.require_pin_list(mapped)
        if isinstance(run, ImportRun):
            await self._store.add_run(run)
        run_id = run if isinstance(run, str) else run.id
        await self._box_import.create(system.name, source, mapped, reports, run_id=run_id, now=int(self._clock.now()))

    async def import_content(
        self,
        system: VoicemailSystem,
        options: ImportOptions,
        run_id: str,
        box: SourceBox,
        found: SourceContent,
        report: BoxReport,
    ) -> ImportTarget | None:
        """Import greetings and messages of a mailbox; return where they go, or None if there is no such mailbox."""
        mailbox = await self.find_mailbox(system, box)
        if mailbox is None:
            _note_contents_lost(report, found)
            return None
        forwarders = await self._find_forwarders(box, found)
        target = ImportTarget(
            system=system,
            source=box,
            mailbox=mailbox,
            options=options,
            run_id=run_id,
            report=report,
            cutoff=self._cutoff(mailbox),
            forwarders=forwarders,
        )
        if "greetings" in options.only:
            await self._message_import.import_greetings(target, found)
        if "messages" in options.only:
            await self._message_import.import_messages(target, found)
        return target

    async def undo(self, run_id: str, on_progress: OnProgress = lambda done, total: None) -> UndoResult:
        """Remove what a run has imported. Raises `NotFound`, `StoreError`."""
        run = await self.find_run(run_id)
        total = (await self._store.count_by_run(run.id)).get(ImportedKind.MESSAGE, 0)
        messages = 0
        while removed := await self._store.undo_messages(run.id, UNDO_BATCH):
            messages += removed
            on_progress(messages, total)
        rest = await self._store.undo_rest(run.id)
        await self._store.finish_run(replace(run, state=ImportState.UNDONE, ended_at=int(self._clock.now())))
        return replace(rest, messages=messages)

    async def find_run(self, run_id: str | None) -> ImportRun:
        """Return the run whose id begins with `run_id`; None: the newest that was not undone.

        Raises `NotFound`; `BadInput` if several match.
        """
        runs = await self._store.list_runs()
        if run_id is None:
            runs = [run for run in runs if run.state is not ImportState.UNDONE][:1]
        else:
            runs = [run for run in runs if run_id and run.id.startswith(run_id)]
        if not runs:
            raise NotFound(
                f"there is no import {run_id!r}: 'ivr import status' lists them"
                if run_id is not None
                else "there is no import yet: begin with 'ivr import app-voicemail' or another system"
            )
        if len(runs) > 1:
            raise BadInput(f"{len(runs)} imports begin with {run_id!r}: give more of the id")
        return runs[0]

    async def _read(
        self, system: VoicemailSystem, options: ImportOptions, accounts: Sequence[Account], run_id: str | None
    ) -> tuple[Source, dict[str, SourceContent], ImportReport]:
        source = await asyncio.to_thread(read_source, system, options, accounts)
        await self._refuse_merged_boxes(system, options, source)
        report = ImportReport(run_id, notes=[*general_notes(source.conf), *source.notes])
        found: dict[str, SourceContent] = {}
        for box in source.boxes:
            found[box.key] = await asyncio.to_thread(system.read_content, box.number, box.context)
            one = BoxReport(box.key, box.account.name)
            one.messages.update(Counter(message.folder for message in found[box.key].messages))
            for problem in found[box.key].problems:
                one.note(NoteLevel.LOSS, problem)
            for text in found[box.key].notes:
                one.note(NoteLevel.WARNING, text)
            if box.definition is None and not found[box.key].messages and not found[box.key].greetings:
                one.note(NoteLevel.INFO, f"{system.place}: no such box is defined, and it holds nothing")
            await self._note_unknown_forwarders(source, box, found[box.key], one)
            report.boxes.append(one)
        return source, found, report

    async def _note_unknown_forwarders(
        self, source: Source, box: SourceBox, found: SourceContent, report: BoxReport
    ) -> None:
        """Name the mailboxes that messages were forwarded from, and that neither exist here nor are created."""
        numbers = {one.number for one in source.boxes if one.account.id == box.account.id and one.definition}
        forwarded = Counter(message.origin for message in found.messages if message.origin)
        for number in sorted(forwarded.keys() - numbers - {box.number}):
            if not await self._boxes.find_by_number(box.account.id, number):
                report.note(
                    NoteLevel.INFO,
                    f"messages forwarded from {number}: {forwarded[number]}; there is no such box, so who forwarded"
                    " them is not said",
                )

    async def _refuse_merged_boxes(self, system: VoicemailSystem, options: ImportOptions, source: Source) -> None:
        """Refuse a mailbox of the source whose number here is that of another one, which an import has stored.

        One whose name has changed at the same source goes on where it was.
        """
        runs = [run.id for run in await self._store.list_runs() if _origin_of(run) == dict(options.origin)]
        for box in source.boxes:
            mailbox = await self._boxes.find_by_number(box.account.id, box.number)
            if mailbox and not await self.find_mailbox(system, box):
                source.refusals.append(
                    f"box {box.key} would be one with box {mailbox.number} of {box.account.name}, which has"
                    f" {box.number} as an alias: remove the alias there, or import another box with --box"
                )
                continue
            stored = await self._stored_sources(system, mailbox) if mailbox else {}
            others = [
                key for key, run_id in stored.items() if key != box.key and (key in source.keys or run_id not in runs)
            ]
            source.refusals += [
                f"boxes {other} and {box.key} would be one: {other} was imported to {box.number} of"
                f" {box.account.name}; give context {box.context} a different account with --context"
                for other in others
            ]

    async def find_mailbox(self, system: VoicemailSystem, box: SourceBox) -> Mailbox | None:
        """Return the mailbox here, also one that has another number since its import, and its own as an alias."""
        mailbox = await self._boxes.find_by_number(box.account.id, box.number)
        if mailbox is None or mailbox.number == box.number or box.key in await self._stored_sources(system, mailbox):
            return mailbox
        return None

    async def _stored_sources(self, system: VoicemailSystem, mailbox: Mailbox) -> dict[str, str]:
        """Return which mailboxes of other systems were imported to a mailbox, with the id of a run of each."""
        prefix = source_id(system.name, mailbox.account_id, "")
        return {
            one.source_id.removeprefix(prefix).partition("/")[0]: one.run_id
            for kind in (ImportedKind.BOX, ImportedKind.MESSAGE)
            for one in await self._store.list_imported(kind, mailbox.id)
            if one.run_id and one.source_id.startswith(prefix)
        }

    async def _check_messages(
        self,
        options: ImportOptions,
        box: SourceBox,
        messages: Sequence[SourceMessage],
        report: BoxReport,
        progress: _Progress,
    ) -> None:
        settings, now = self._boxes.voicemail_settings_for(box.account), self._clock.now()
        cutoff, latest = settings.retention_cutoff(now), settings.message_times(now).stop

        async def check_message(message: SourceMessage) -> None:
            if options.retention == "from-message" and message.time < cutoff:
                report.note(NoteLevel.LOSS, f"{message.name}: past retention; --retention from-import keeps it")
            else:
                try:
                    audio = await asyncio.to_thread(message.read_audio)
                    report.imported += 1
                    report.length_ms += len(audio.samples) // wav.BYTES_PER_MS
                    note_doubts(report, message, audio, latest)
                except (InvalidAudio, NotFound) as error:
                    report.note(NoteLevel.LOSS, f"{message.name}: {error}")
            progress.advance()

        progress.advance(report.already_imported)
        await asyncio.gather(*map(check_message, messages))

    async def _find_forwarders(self, box: SourceBox, found: SourceContent) -> dict[str, Forwarder]:
        forwarders: dict[str, Forwarder] = {}
        for number in {message.origin for message in found.messages} - {"", box.number}:
            if sender := await self._boxes.find_by_number(box.account.id, number):
                forwarders[number] = Forwarder(sender.id, sender.number, sender.settings.name)
        return forwarders

    def _cutoff(self, mailbox: Mailbox) -> int:
        return mailbox.voicemail_settings.retention_cutoff(self._clock.now())


class _Progress:
    def __init__(self, found: dict[str, SourceContent], on_progress: OnProgress) -> None:
        self._total = sum(len(box.messages) for box in found.values())
        self._done = 0
        self._on_progress = on_progress
        on_progress(0, self._total)

    def advance(self, count: int = 1) -> None:
        self._done = min(self._done + count, self._total)
        self._on_progress(self._done, self._total)


def _origin_of(run: ImportRun) -> dict[str, str]:
    return dict(ImportOptions.from_document(run.options).origin)


def _refusal_note(text: str) -> Note:
    return Note("", NoteLevel.LOSS, text)


def _note_contents_lost(report: BoxReport, found: SourceContent) -> None:
    if found.messages or found.greetings:
        content = f"{len(found.messages)} messages and {len(found.greetings)} greetings"
        report.note(NoteLevel.LOSS, f"there is no such box here: {content} stay behind; create it, and import again")
