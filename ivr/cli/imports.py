"""`ivr import`: mailboxes, greetings and messages of another voicemail system."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer

from ivr.app import App
from ivr.cli.audit import record_for_all_accounts
from ivr.cli.support import (
    JsonOption,
    YesOption,
    confirm,
    echo,
    format_time,
    print_document,
    print_table,
    show_progress,
    with_app,
)
from ivr.import_services import build_importer, build_verification, describe_origin, open_system
from ivr.imports.source import ImportOptions
from ivr.imports.verification import BoxComparison
from ivr.storage.records import AuditAction, ImportState

command = typer.Typer(no_args_is_help=True)
DIFFERENCES_EXIT_CODE = 1
STATUS_COLUMNS = ["run", "state", "began", "ended", "boxes", "greetings", "messages", "source"]
VERIFY_COLUMNS = ["box", "folder", "messages", "equal", "seconds", "here", "greetings", "pin"]


RunArgument = typer.Argument(None, metavar="[RUN]", help="Id of an import, or its beginning. Default: the last one.")


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
                "source": describe_origin(ImportOptions.from_document(run.options)),
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
    with open_system(options) as system, show_progress("compared") as on_progress:
        compared = await build_verification(app).verify(system, options, await app.directory.accounts(), on_progress)
    if as_json:
        echo(json.dumps([one.to_document() for one in compared], indent=2))
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
            echo(f"{one.box}: {text}")
        for text in one.differences:
            echo(f"{one.box}: DIFFERS: {text}", err=True)
    differing = sum(bool(one.differences) for one in compared)
    echo(f"{differing} of {len(compared)} boxes differ" if differing else f"all {len(compared)} boxes are equal")
