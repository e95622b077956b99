"""`ivr import`: mailboxes, greetings and messages of another voicemail system."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from ivr.app import App
from ivr.cli.audit import record_for_all_accounts
from ivr.cli.follow_import import follow_spool
from ivr.cli.progress import show_progress
from ivr.cli.support import (
    JsonOption,
    YesOption,
    confirm,
    exit_on_error,
    format_time,
    print_document,
    print_table,
    run_with_app,
    with_app,
)
from ivr.directory.models import Account
from ivr.errors import BadInput
from ivr.import_services import build_importer, build_verification
from ivr.imports.box_mapping import Note, NoteLevel
from ivr.imports.report import ImportReport
from ivr.imports.source import ImportOptions
from ivr.imports.spool import FURTHER_FOLDERS
from ivr.imports.verification import BoxComparison
from ivr.storage.records import AuditAction, Folder, ImportState

command = typer.Typer(no_args_is_help=True)
CONF = Path("/etc/asterisk/voicemail.conf")
SPOOL = Path("/var/spool/asterisk/voicemail")
WARNINGS_EXIT_CODE = 3
LOSSES_EXIT_CODE = 4
DIFFERENCES_EXIT_CODE = 1
PARTS = ("boxes", "greetings", "messages")
STATUS_COLUMNS = ["run", "state", "began", "ended", "boxes", "greetings", "messages", "spool"]
VERIFY_COLUMNS = ["box", "folder", "messages", "equal", "seconds", "here", "greetings", "pin"]


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


class BusyGreeting(StrEnum):
    """What becomes of a busy greeting."""

    DROP = "drop"
    AS_GREETING = "as-greeting"


RunArgument = typer.Argument(None, metavar="[RUN]", help="Id of an import, or its beginning. Default: the last one.")


@command.command("app-voicemail")
@exit_on_error
def app_voicemail(
    conf: Path = typer.Option(CONF, help="The voicemail.conf."),
    spool: Path = typer.Option(SPOOL, help="The folder of the contexts of app_voicemail."),
    context: list[str] = typer.Option(
        [], help="CONTEXT=ACCOUNT: the account of a context, '-' to leave it out. Several: repeat it, or use commas."
    ),
    box: list[str] = typer.Option([], help="Import only this box, such as 2001@default. Several: repeat it."),
    only: str = typer.Option(",".join(PARTS), help="What to import, separated by commas."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print what would be imported, and change nothing."),
    report: Path | None = typer.Option(None, help="Write the report to this file, as JSON."),
    pins: Path | None = typer.Option(None, help="CSV file to which generated PINs are appended."),
    short_pins: ShortPins = typer.Option(ShortPins.NEW, help="Passwords that cannot be a PIN: new, or none."),
    weak_pins: WeakPins = typer.Option(WeakPins.MUST_CHANGE, help="Passwords that are easy to guess."),
    folders: str = typer.Option("", help="Folders for Work, Family, ...: Work=new,Cust1=deleted. Default: saved."),
    retention: RetentionStart = typer.Option(RetentionStart.IMPORT, help="From when the retention counts."),
    busy_greeting: BusyGreeting = typer.Option(
        BusyGreeting.DROP, help="Drop busy greetings, or use them where a box has no other greeting."
    ),
    follow: bool = typer.Option(False, "--follow", help="Go on with what changes in app_voicemail, until Ctrl-C."),
    interval: float = typer.Option(2.0, min=0.1, help="With --follow: seconds between two looks at the spool."),
    as_json: bool = JsonOption,
) -> None:
    """Import the boxes, greetings and messages of app_voicemail.

    voicemail.conf and the spool are only read. What was imported is not imported again, so an import that was
    interrupted is continued by the same command. Exit code 3: with warnings; 4: something stays behind.
    """
    options = ImportOptions(
        conf=conf.absolute(),
        spool=spool.absolute(),
        contexts=parse_pairs(context, "--context", "default=acme"),
        boxes=tuple(box),
        only=_parse_parts(only),
        short_pins=short_pins,
        weak_pins=weak_pins,
        folders=_parse_folders(folders),
        retention=retention,
        busy_greeting=busy_greeting,
    )

    if follow and dry_run:
        raise BadInput("--dry-run looks once: leave out --follow")
    if report:
        report.touch()  # A report that cannot be written is told before anything is imported.

    async def run_import(app: App) -> ImportReport:
        accounts = await _accounts(app)
        importer = build_importer(app, pins)
        with ExitStack() as shown:
            on_progress = shown.enter_context(show_progress("checked" if dry_run else "imported"))
            if dry_run:
                return await importer.check(options, accounts, on_progress)

            async def go_on(run_id: str) -> None:
                shown.close()
                await follow_spool(app, importer, options, accounts, interval, run_id)

            report = await importer.run(options, accounts, on_progress, follow=go_on if follow else None)
            await record_for_all_accounts(app, AuditAction.ADDED, f"import {report.run_id}")
            return report

    result = run_with_app(run_import)
    document = {**result.to_document(), "dry_run": dry_run}
    if report:
        report.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        _print_report(result, dry_run=dry_run)
    if result.level > NoteLevel.INFO:
        raise typer.Exit(LOSSES_EXIT_CODE if result.level is NoteLevel.LOSS else WARNINGS_EXIT_CODE)


@command.command("status")
@with_app
async def status(app: App, as_json: bool = JsonOption) -> None:
    """List imports, the last one first."""
    rows = []
    for run in await app.import_store.list_runs():
        counts = await app.import_store.count_by_run(run.id)
        rows.append(
            {
                "run": run.id,
                "state": "running or interrupted" if run.state is ImportState.RUNNING else run.state,
                "began": format_time(run.began_at),
                "ended": format_time(run.ended_at) if run.ended_at else None,
                **{f"{kind}es" if kind == "box" else f"{kind}s": count for kind, count in counts.items()},
                "spool": run.options["spool"],
            }
        )
    print_table([{**dict.fromkeys(STATUS_COLUMNS[4:7], 0), **row} for row in rows], STATUS_COLUMNS, as_json)


@command.command("verify")
@with_app
async def verify(app: App, run: str | None = RunArgument, as_json: bool = JsonOption) -> None:
    """Compare what was imported with its source: folders, seconds, audio, callers, greetings and PINs.

    Each audio file is decoded again and compared with the stored one. Exit code 1: something differs.
    """
    options = ImportOptions.from_document((await build_importer(app, None).find_run(run)).options)
    with show_progress("compared") as on_progress:
        compared = await build_verification(app).verify(options, await _accounts(app), on_progress)
    if as_json:
        typer.echo(json.dumps([one.to_document() for one in compared], indent=2))
    else:
        _print_comparison(compared)
    if any(one.differences for one in compared):
        raise typer.Exit(DIFFERENCES_EXIT_CODE)


@command.command("undo")
@with_app
async def undo(
    app: App,
    run: str = typer.Argument(metavar="RUN", help="Id of the import, or its beginning."),
    yes: bool = YesOption,
    as_json: bool = JsonOption,
) -> None:
    """Remove what an import has imported: messages and greetings for good, boxes and users that are not in use.

    Messages that callers have left since stay, and so do their boxes. After it, the import can be repeated.
    """
    importer = build_importer(app, None)
    found = await importer.find_run(run)
    count = sum((await app.import_store.count_by_run(found.id)).values())
    confirm(f"Remove what import {found.id} of {format_time(found.began_at)} has made ({count})?", assume_yes=yes)
    with show_progress("removed") as on_progress:
        result = await importer.undo(found.id, on_progress)
    await record_for_all_accounts(app, AuditAction.DELETED, f"import {found.id}")
    print_document(
        {
            "run": found.id,
            "messages": result.messages,
            "greetings": result.greetings,
            "boxes": result.boxes,
            "users": result.users,
            "remaining": ", ".join(result.remaining) or "nothing",
        },
        as_json,
    )


async def _accounts(app: App) -> Sequence[Account]:
    return await app.directory.accounts()


def _print_report(report: ImportReport, *, dry_run: bool) -> None:
    for note in report.notes:
        typer.echo(format_note(note))
    for box in report.boxes:
        total = sum(box.messages.values())
        folders = ", ".join(f"{folder} {count}" for folder, count in box.messages.items())
        words = [
            f"{box.box} -> {box.account}",
            ("would be created" if dry_run else "created") if box.created else "",
            f"{total} messages ({folders})" if folders else "no messages",
            f"{box.length_ms / 1000:.1f} s" if box.length_ms else "",
            "" if dry_run else f"{box.imported} imported",
            f"{box.already_imported} already imported" if box.already_imported else "",
            f"{box.moved} moved as in app_voicemail" if box.moved else "",
            f"greetings: {', '.join(box.greetings)}" if box.greetings else "",
        ]
        typer.echo("; ".join(filter(None, words)))
        for note in box.notes:
            typer.echo(f"  {format_note(note)}")
    boxes, messages = len(report.boxes), sum(sum(box.messages.values()) for box in report.boxes)
    if dry_run:
        typer.echo(f"would import {messages} messages of {boxes} boxes")
        return
    imported = sum(box.imported for box in report.boxes)
    typer.echo(
        f"import {report.run_id}: {imported} of {messages} messages of {boxes} boxes; verify it: ivr import verify"
    )


def format_note(note: Note, *, with_box: bool = True) -> str:
    """Return a note as a line of a report."""
    prefix = {NoteLevel.INFO: "note", NoteLevel.WARNING: "warning", NoteLevel.LOSS: "left behind"}[note.level]
    return f"{prefix}: {f'{note.box}: ' if note.box and with_box else ''}{note.text}"


def _print_comparison(compared: Sequence[BoxComparison]) -> None:
    rows: list[dict[str, Any]] = []
    for one in compared:
        for position, (name, folder) in enumerate(one.folders.items() or {"-": None}.items()):
            rows.append(
                {
                    "box": one.box,
                    "folder": name,
                    "messages": folder.source_messages if folder else 0,
                    "equal": folder.equal_messages if folder else 0,
                    "seconds": f"{folder.source_ms / 1000:.1f}" if folder else "",
                    "here": f"{folder.here_ms / 1000:.1f}" if folder else "",
                    "greetings": "" if position else one.greetings,
                    "pin": "" if position else one.pin,
                }
            )
    print_table(rows, VERIFY_COLUMNS, False)
    for one in compared:
        for text in one.changed_here:
            typer.echo(f"{one.box}: {text}")
        for text in one.differences:
            typer.echo(f"{one.box}: DIFFERS: {text}", err=True)
    differing = sum(bool(one.differences) for one in compared)
    typer.echo(f"{differing} of {len(compared)} boxes differ" if differing else f"all {len(compared)} boxes are equal")


def parse_pairs(texts: Sequence[str], option: str, example: str) -> dict[str, str]:
    """Return options that have the form NAME=VALUE, repeated or separated by commas. Raises `BadInput`."""
    pairs: dict[str, str] = {}
    for text in filter(None, (part.strip() for one in texts for part in one.split(","))):
        name, separator, value = text.partition("=")
        if not (separator and name and value):
            raise BadInput(f"{option} {text}: write it as {example}")
        pairs[name.strip()] = value.strip()
    return pairs


def _parse_parts(text: str) -> frozenset[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if unknown := [part for part in parts if part not in PARTS] or not parts:
        raise BadInput(f"--only {text}: {unknown} is none of {', '.join(PARTS)}")
    return frozenset(parts)


def _parse_folders(text: str) -> dict[str, str]:
    folders = parse_pairs([text], "--folders", "Work=new")
    for name, folder in folders.items():
        if name not in FURTHER_FOLDERS or folder not in list(Folder):
            raise BadInput(
                f"--folders {name}={folder}: a folder of {', '.join(FURTHER_FOLDERS)} becomes one of"
                f" {', '.join(Folder)}"
            )
    return folders
