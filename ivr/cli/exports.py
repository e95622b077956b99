"""`ivr export`: messages and greetings of boxes, written to another voicemail system."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer

from ivr.app import App
from ivr.cli.audit import record_command
from ivr.cli.boxes import resolve_box
from ivr.cli.import_run import CONF, LOSSES_EXIT_CODE, WARNINGS_EXIT_CODE, format_note, parse_pairs
from ivr.cli.support import AccountOption, JsonOption, echo, resolve_account, show_progress, with_app
from ivr.directory.models import Account
from ivr.errors import BadInput, NotFound
from ivr.import_services import build_export
from ivr.imports.export_plan import BoxExportReport, ExportOptions
from ivr.imports.system import NoteLevel
from ivr.imports.voicemail_conf import GENERAL, ZONE_MESSAGES, is_folder_name
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditAction
from ivr.validation.numbers import dialplan_context

command = typer.Typer(no_args_is_help=True)


@command.callback()
def exports() -> None:
    """Boxes and messages, for another voicemail system."""


@command.command("app-voicemail")
@with_app
async def app_voicemail(
    app: App,
    spool: Path = typer.Option(help="The folder of the contexts of app_voicemail. Messages are added to it."),
    conf: Path | None = typer.Option(None, help=f"The voicemail.conf. Default: {CONF}, if there is one."),
    box: list[str] = typer.Option([], help="Export only the box with this number. Several: repeat it."),
    account: str | None = AccountOption,
    context: list[str] = typer.Option(
        [], help="ACCOUNT=CONTEXT, for boxes that were not imported. Default with one account: default."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print what would be exported, and change nothing."),
    as_json: bool = JsonOption,
) -> None:
    """Write messages and greetings to the spool of app_voicemail: the way back.

    Each message is exported once, also if the command is repeated or was interrupted. What was imported from this spool
    and is still in it is moved to the folder that it is in here, or to Deleted. Exit code 3: with warnings; 4:
    something stays behind.
    """
    options = _options(spool, conf, _read_contexts(context, await app.directory.accounts()))
    mailboxes = await _mailboxes(app, account, box)
    with show_progress("boxes exported") as on_progress:
        reports = await build_export(app).run(options, mailboxes, on_progress, dry_run=dry_run)
    if not dry_run:
        for mailbox in mailboxes:
            await record_command(app, AuditAction.EXPORTED, mailbox)
    if as_json:
        echo(json.dumps([report.to_document() for report in reports], indent=2))
    else:
        _print_reports(reports, dry_run=dry_run)
    level = max((note.level for report in reports for note in report.notes), default=NoteLevel.INFO)
    if level > NoteLevel.INFO:
        raise typer.Exit(LOSSES_EXIT_CODE if level is NoteLevel.LOSS else WARNINGS_EXIT_CODE)


def _options(spool: Path, conf: Path | None, contexts: dict[str, str]) -> ExportOptions:
    return ExportOptions(spool.absolute(), conf or (CONF if CONF.exists() else None), contexts=contexts)


def _read_contexts(texts: Sequence[str], accounts: Sequence[Account]) -> dict[str, str]:
    """Return the context by the name of the account. Raises `BadInput`, `NotFound`."""
    names = {name: one.name for one in accounts for name in (one.id, one.realm, one.name) if name}
    contexts: dict[str, str] = {}
    for account, text in parse_pairs(texts, "--context", "acme=default").items():
        if account not in names:
            raise NotFound(f"there is no account {account!r}: 'ivr account list' shows them")
        context = dialplan_context(text)
        if context.lower() in (GENERAL, ZONE_MESSAGES) or not is_folder_name(context):
            raise BadInput(f"--context {account}={text}: that cannot be a context with mailboxes")
        contexts[names[account]] = context
    return contexts


async def _mailboxes(app: App, account: str | None, numbers: Sequence[str]) -> list[Mailbox]:
    if numbers:
        return [await resolve_box(app, account, number) for number in dict.fromkeys(numbers)]
    accounts = [await resolve_account(app, account)] if account else await app.directory.accounts()
    found = [mailbox for one in accounts for mailbox in await app.boxes.list_by_account(one.id)]
    if not found:
        raise NotFound("there is no box to export")
    return found


def _print_reports(reports: Sequence[BoxExportReport], *, dry_run: bool) -> None:
    for report in reports:
        words = [
            f"{report.account} -> {report.box}",
            f"{report.written} messages written",
            f"{report.moved} moved to another folder" if report.moved else "",
            f"{report.removed} moved to Deleted" if report.removed else "",
            f"{report.in_place} in place" if report.in_place else "",
            f"{report.already_exported} already exported" if report.already_exported else "",
            f"greetings: {', '.join(report.greetings)}" if report.greetings else "",
        ]
        echo("; ".join(filter(None, words)))
        for note in report.notes:
            echo(f"  {format_note(note, with_box=False)}")
    if dry_run:
        echo("nothing was changed: leave out --dry-run to export")
