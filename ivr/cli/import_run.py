"""What all imports of other voicemail systems have in common: their options, their run and their report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import typer

from ivr.app import App
from ivr.cli.audit import record_for_all_accounts
from ivr.cli.follow_import import follow_spool
from ivr.cli.support import echo, run_with_app, show_progress
from ivr.errors import BadInput
from ivr.import_services import build_importer, open_system
from ivr.imports.message_fields import FURTHER_FOLDERS
from ivr.imports.report import ImportReport
from ivr.imports.source import ImportOptions
from ivr.imports.system import Note, NoteLevel
from ivr.storage.files import naming_file
from ivr.storage.records import AuditAction, Folder

CONF = Path("/etc/asterisk/voicemail.conf")
SPOOL = Path("/var/spool/asterisk/voicemail")
WARNINGS_EXIT_CODE = 3
LOSSES_EXIT_CODE = 4
PARTS = ("boxes", "greetings", "messages")


class ShortPins(StrEnum):
    """What becomes of passwords that cannot be a PIN."""

    NEW = "new"
    NONE = "none"


class WeakPins(StrEnum):
    """What becomes of passwords that are easy to guess."""

    KEEP = "keep"
    MUST_CHANGE = "must-change"
    NEW = "new"


class RetentionStart(StrEnum):
    """From when the retention of messages counts."""

    IMPORT = "from-import"
    MESSAGE = "from-message"


ContextOption = typer.Option(
    [], help="CONTEXT=ACCOUNT: the account of a context, '-' to leave it out. Several: repeat it, or use commas."
)
RealmOption = typer.Option(
    [], help="REALM=ACCOUNT: the account here of a realm or a domain there. Several: repeat it, or use commas."
)
BoxOption = typer.Option([], help="Import only this box, such as 2001@default. Several: repeat it.")
OnlyOption = typer.Option(",".join(PARTS), help="What to import, separated by commas.")
DryRunOption = typer.Option(False, "--dry-run", help="Print what would be imported, and change nothing.")
ReportOption = typer.Option(None, help="Write the report to this file, as JSON.")
PinsOption = typer.Option(None, help="CSV file to which generated PINs are appended.")
ShortPinsOption = typer.Option(ShortPins.NEW, help="Passwords that cannot be a PIN: new, or none.")
WeakPinsOption = typer.Option(WeakPins.MUST_CHANGE, help="Passwords that are easy to guess.")
FoldersOption = typer.Option("", help="Folders for Work, Family, ...: Work=new,Cust1=deleted. Default: saved.")
RetentionOption = typer.Option(RetentionStart.IMPORT, help="From when the retention counts.")
FollowOption = typer.Option(False, "--follow", help="Go on with what changes in app_voicemail, until Ctrl-C.")
IntervalOption = typer.Option(2.0, min=0.1, help="With --follow: seconds between two looks at the spool.")


@dataclass(frozen=True, slots=True)
class ImportCommand:
    """How an import runs. `interval`: seconds between two looks at the spool that is followed; None: it is not."""

    dry_run: bool
    report: Path | None
    pins: Path | None
    as_json: bool
    interval: float | None = None

    def run(self, options: ImportOptions) -> None:
        """Import, print the report, and exit with 3 if there are warnings, 4 if something stays behind."""
        if self.interval and self.dry_run:
            raise BadInput("--dry-run looks once: leave out --follow")
        if self.report:
            self.report.touch()  # A report that cannot be written is told before anything is imported.

        async def run_import(app: App) -> ImportReport:
            return await self._run(app, options)

        result = run_with_app(run_import)
        document = {**result.to_document(), "dry_run": self.dry_run}
        if self.report:
            with naming_file(self.report):
                self.report.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        if self.as_json:
            echo(json.dumps(document, indent=2))
        else:
            _print_report(result, dry_run=self.dry_run)
        if result.level > NoteLevel.INFO:
            raise typer.Exit(LOSSES_EXIT_CODE if result.level is NoteLevel.LOSS else WARNINGS_EXIT_CODE)

    async def _run(self, app: App, options: ImportOptions) -> ImportReport:
        importer, accounts = build_importer(app, self.pins), await app.directory.accounts()
        with open_system(options) as system, ExitStack() as shown:
            on_progress = shown.enter_context(show_progress("checked" if self.dry_run else "imported"))
            if self.dry_run:
                return await importer.check(system, options, accounts, on_progress)

            async def go_on(run_id: str) -> None:
                assert self.interval
                shown.close()
                await follow_spool(app, importer, system, options, accounts, interval_s=self.interval, run_id=run_id)

            follow = go_on if self.interval else None
            report = await importer.run(system, options, accounts, on_progress, follow=follow)
            await record_for_all_accounts(app, AuditAction.ADDED, f"import {report.run_id}")
            return report


def _print_report(report: ImportReport, *, dry_run: bool) -> None:
    for note in report.notes:
        echo(format_note(note))
    for box in report.boxes:
        total = sum(box.messages.values())
        folders = ", ".join(f"{folder} {count}" for folder, count in box.messages.items())
        words = [
            f"{box.box} -> {box.account}",
            ("would be created" if dry_run else "created") if box.created else "",
            f"{total} messages ({folders})" if folders else "no messages",
            f"{box.length_ms / 1000:.1f} s" if box.length_ms else "",
            f"{box.imported} would be imported" if dry_run and box.imported != total else "",
            "" if dry_run else f"{box.imported} imported",
            f"{box.already_imported} already imported" if box.already_imported else "",
            f"{box.moved} moved as in app_voicemail" if box.moved else "",
            f"greetings: {', '.join(box.greetings)}" if box.greetings else "",
        ]
        echo("; ".join(filter(None, words)))
        for note in box.notes:
            echo(f"  {format_note(note)}")
    boxes, messages = len(report.boxes), sum(sum(box.messages.values()) for box in report.boxes)
    imported = sum(box.imported for box in report.boxes)
    known, levels = sum(box.already_imported for box in report.boxes), report.levels
    totals = {
        "imported before": known,
        "left behind": levels.count(NoteLevel.LOSS),
        "warnings": levels.count(NoteLevel.WARNING),
    }
    if lines := [f"{name}: {count}" for name, count in totals.items() if count]:
        echo("; ".join(lines))
    if dry_run:
        echo(f"would import {imported} of {messages} messages of {boxes} boxes")
        return
    echo(f"import {report.run_id}: {imported} of {messages} messages of {boxes} boxes; verify it: ivr import verify")


def format_note(note: Note, *, with_box: bool = True) -> str:
    """Return a note as a line of a report."""
    prefix = {NoteLevel.INFO: "note", NoteLevel.WARNING: "warning", NoteLevel.LOSS: "left behind"}[note.level]
    return f"{prefix}: {f'{note.box}: ' if note.box and with_box else ''}{note.text}"


def parse_pairs(texts: Sequence[str], option: str, example: str) -> dict[str, str]:
    """Return options that have the form NAME=VALUE, repeated or separated by commas. Raises `BadInput`."""
    pairs: dict[str, str] = {}
    for text in filter(None, (part.strip() for one in texts for part in one.split(","))):
        name, separator, value = map(str.strip, text.rpartition("="))
        if not (separator and name and value):
            raise BadInput(f"{option} {text}: write it as {example}")
        if name in pairs:
            raise BadInput(f"{option} names {name} twice")
        pairs[name] = value
    return pairs


def parse_parts(text: str) -> frozenset[str]:
    """Return the parts of --only. Raises `BadInput`."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if unknown := [part for part in parts if part not in PARTS] or not parts:
        raise BadInput(f"--only {text}: {unknown} is none of {', '.join(PARTS)}")
    return frozenset(parts)


def parse_folders(text: str) -> dict[str, str]:
    """Return the folders of --folders. Raises `BadInput`."""
    folders = parse_pairs([text], "--folders", "Work=new")
    for name, folder in folders.items():
        if name not in FURTHER_FOLDERS or folder not in list(Folder):
            raise BadInput(
                f"--folders {name}={folder}: a folder of {', '.join(FURTHER_FOLDERS)} becomes one of"
                f" {', '.join(Folder)}"
            )
    return folders
