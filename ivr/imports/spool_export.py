"""The way back to app_voicemail: which mailboxes go to which of its mailboxes, and what it must know of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from ivr.audio import telephony_encoders
from ivr.audio.telephony_formats import require_ffmpeg
from ivr.clock import Clock
from ivr.errors import Conflict, NotFound
from ivr.imports import spool
from ivr.imports.export_plan import BoxExportReport, ExportOptions, ExportTarget, plan_messages
from ivr.imports.mailbox_export import ExportJob, MailboxExport, full_folders
from ivr.imports.pin_mapping import FIXED_PASSWORD
from ivr.imports.spool_writer import SpoolWriter
from ivr.imports.system import NoteLevel
from ivr.imports.voicemail_conf import VoicemailConf, is_folder_name, read_voicemail_conf
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pins import Pins
from ivr.storage.files import run_as_owner_of
from ivr.storage.protocols import ImportStore, MessageStore
from ivr.storage.records import ImportedKind, Message

PAGE_ROWS = 1000
DEFAULT_MAXMSG = 100
"""How many messages of a folder app_voicemail knows without `maxmsg`."""

OnProgress = Callable[[int, int], None]


class SpoolExport:
    """Exports mailboxes to the spool of an app_voicemail."""

    def __init__(
        self,
        store: ImportStore,
        messages: MessageStore,
        mailbox_export: MailboxExport,
        pins: Pins,
        clock: Clock,
    ) -> None:
        self._store = store
        self._messages = messages
        self._mailbox_export = mailbox_export
        self._pins = pins
        self._clock = clock

    async def run(
        self,
        options: ExportOptions,
        mailboxes: Sequence[Mailbox],
        on_progress: OnProgress = lambda done, total: None,
        *,
        dry_run: bool = False,
    ) -> list[BoxExportReport]:
        """Export mailboxes; with `dry_run`, report what would be done.

        Raises `NotFound`, `BadInput`, `StoreError`, `SoundsError`, OSError; `Conflict` if it is not known which context
        of app_voicemail a mailbox belongs to.
        """
        if not options.spool.is_dir():
            raise NotFound(f"{options.spool} is no folder: name the spool of app_voicemail with --spool")
        conf = await asyncio.to_thread(read_voicemail_conf, options.conf, options.spool) if options.conf else None
        suffixes, unwritten = _audio_suffixes(conf)
        if len(suffixes) > 1:
            require_ffmpeg()
        targets = await self._find_targets(options, mailboxes)
        reports: list[BoxExportReport] = []
        for number, target in enumerate(targets, 1):
            report = BoxExportReport(target.key, target.mailbox.account.name)
            for name in unwritten:
                report.note(NoteLevel.WARNING, f"files in the format {name} are not written; those in wav are")
            await self._describe_box(target, conf, report)
            await self._export_box(options, target, suffixes, report, conf, dry_run)
            reports.append(report)
            on_progress(number, len(targets))
        return reports

    async def _export_box(
        self,
        options: ExportOptions,
        target: ExportTarget,
        suffixes: Sequence[str],
        report: BoxExportReport,
        conf: VoicemailConf | None,
        dry_run: bool,
    ) -> None:
        folder = options.spool / target.context / target.number
        if folder.is_symlink():
            report.note(NoteLevel.LOSS, f"{folder} is a link to another folder: nothing is written behind it")
            return
        if not dry_run:
            with run_as_owner_of(options.spool):
                SpoolWriter(options.spool, target.number, target.context).prepare()
        found = await asyncio.to_thread(spool.read_box, options.spool, target.number, target.context)
        prefix = f"{options.spool}|"
        records = await self._store.list_imported(ImportedKind.EXPORT, target.mailbox.id)
        exported = {one.source_id.removeprefix(prefix) for one in records if one.source_id.startswith(prefix)}
        imported = await self._store.list_imported(ImportedKind.MESSAGE, target.mailbox.id)
        plan = plan_messages(target, await self._all_messages(target.mailbox), found, imported, exported)
        report.already_exported = plan.already_exported
        maxmsg = _maxmsg(target, conf)
        for name, count in full_folders(plan, found).items():
            if count > maxmsg:
                text = f"{name} gets {count} messages, and app_voicemail shows {maxmsg}: set maxmsg={count}"
                report.note(NoteLevel.WARNING, text)
        job = ExportJob(options, target, found, exported, suffixes, report)
        if dry_run:
            report.written, report.moved = len(plan.to_write), len(plan.to_move)
            report.in_place, report.removed = len(plan.in_place), len(plan.to_remove)
        else:
            await self._mailbox_export.export_messages(job, plan)
        await self._mailbox_export.export_greetings(job, dry_run=dry_run)

    async def _find_targets(self, options: ExportOptions, mailboxes: Sequence[Mailbox]) -> list[ExportTarget]:
        """A mailbox that was imported goes back to where it was."""
        targets: list[ExportTarget] = []
        accounts = {mailbox.account_id for mailbox in mailboxes}
        for mailbox in mailboxes:
            account = mailbox.account.name
            number, context = mailbox.number, options.contexts.get(account, "default" if len(accounts) == 1 else "")
            if origin := await self._find_origin(mailbox):
                number, _, context = origin.rpartition("@")
            if not context:
                raise Conflict(
                    f"box {number} of {account} was not imported, so nothing says which context it belongs to: add"
                    f" --context {account}=CONTEXT"
                )
            if not (is_folder_name(context) and is_folder_name(number)):
                raise Conflict(f"box {number} of {account} cannot go to context {context!r}: that is no folder's name")
            targets.append(ExportTarget(mailbox, number, context))
        if double := [key for key, count in Counter(target.key for target in targets).items() if count > 1]:
            raise Conflict(f"several boxes would be {double[0]}: give their accounts different contexts with --context")
        return targets

    async def _find_origin(self, mailbox: Mailbox) -> str | None:
        """Return the `number@context` that a mailbox, or a message in it, was imported from."""
        for kind in (ImportedKind.BOX, ImportedKind.MESSAGE):
            for one in await self._store.list_imported(kind, mailbox.id):
                if one.run_id:
                    return one.source_id.split("/")[2]
        return None

    async def _describe_box(self, target: ExportTarget, conf: VoicemailConf | None, report: BoxExportReport) -> None:
        """Note what voicemail.conf says of a mailbox that an export cannot change."""
        if conf is None:
            return
        box, mailbox = conf.mailboxes.get(target.key), target.mailbox
        if box is None:
            owner = mailbox.owner
            email = str(owner.email or "") if owner else ""
            line = f"{target.number} => PIN,{mailbox.settings.name.replace(',', ' ')},{email}"
            report.note(NoteLevel.WARNING, f"voicemail.conf has no such box: add to [{target.context}] the line {line}")
        elif await self._pins.has_pin(mailbox) and not await self._pins.is_set_to(
            mailbox, box.password.removeprefix(FIXED_PASSWORD)
        ):
            report.note(NoteLevel.WARNING, "its PIN here is not that of voicemail.conf, which counts there")

    async def _all_messages(self, mailbox: Mailbox) -> list[Message]:
        messages: list[Message] = []
        not_before, after = mailbox.voicemail_settings.retention_cutoff(self._clock.now()), None
        while page := await self._messages.list_page(mailbox.id, None, not_before, after, PAGE_ROWS):
            messages.extend(message for message in page if message.has_audio)
            after = page[-1].id
        return messages


def _audio_suffixes(conf: VoicemailConf | None) -> tuple[list[str], list[str]]:
    """Return the suffixes of the audio files, wav among them, and the formats that are not written."""
    names = conf.general.get("format", "").replace(",", "|").split("|") if conf else []
    suffixes, unwritten = [telephony_encoders.WAV_SUFFIX], []
    for name in filter(None, map(str.strip, names)):
        suffix = telephony_encoders.suffix_of(name)
        if suffix is None:
            unwritten.append(name)
        elif suffix not in suffixes:
            suffixes.append(suffix)
    return suffixes, unwritten


def _maxmsg(target: ExportTarget, conf: VoicemailConf | None) -> int:
    box = conf.mailboxes.get(target.key) if conf else None
    text = (box.options if box else conf.general if conf else {}).get("maxmsg", "")
    return int(text) if text.isascii() and text.isdigit() else DEFAULT_MAXMSG
