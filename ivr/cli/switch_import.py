"""`ivr import switch`: callers and owners of a box reach ivr, or app_voicemail again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer

from ivr.app import App
from ivr.cli.audit import record_command
from ivr.cli.imports import command
from ivr.cli.support import JsonOption, echo, print_table, with_app
from ivr.directory.models import Account
from ivr.doctor.console import RemoteConsole
from ivr.errors import BadInput, Conflict, NotFound
from ivr.import_services import build_export, build_importer, open_system
from ivr.imports import spool
from ivr.imports.export_plan import ExportOptions
from ivr.imports.moved_boxes import MovedBoxes
from ivr.imports.source import ImportOptions, SourceBox, read_source
from ivr.imports.system import VoicemailSystem
from ivr.storage.records import AuditAction

COLUMNS = ["box", "reached in", "address"]


@command.command("switch")
@with_app
async def switch(
    app: App,
    box: list[str] = typer.Argument(None, metavar="[BOX]...", help="Boxes as app_voicemail names them: 2001@default."),
    back: bool = typer.Option(False, "--back", help="Back to app_voicemail; the messages go there, too."),
    as_json: bool = JsonOption,
) -> None:
    """Have callers and owners of an imported box reach ivr; without BOX, list where each box is reached.

    The dialplan looks it up for each call: Gosub(ivr-moved,s,1(2001@default,u)). The messages that came last are
    imported, or exported with --back. Run it as root, on Asterisk's machine.
    """
    if back and not box:
        raise BadInput("--back moves the boxes that are named: add them, as 2001@default")
    options = ImportOptions.from_document((await build_importer(app, None).find_run(None)).options)
    with open_system(replace(options, boxes=())) as system:
        await _switch_boxes(app, system, replace(options, boxes=()), list(dict.fromkeys(box or ())), back, as_json)


async def _switch_boxes(
    app: App, system: VoicemailSystem, options: ImportOptions, keys: Sequence[str], back: bool, as_json: bool
) -> None:
    moved = MovedBoxes(RemoteConsole(app.settings.asterisk.console_command).run_command)
    accounts, spool_folder = await app.directory.accounts(), options.spool
    source = await asyncio.to_thread(read_source, system, options, accounts)
    by_key = {one.key: one for one in source.boxes}
    importer = build_importer(app, None)
    for key in keys:
        if key not in by_key:
            raise NotFound(f"there is no box {key} in {system.place}: write it as 2001@default")
        if await importer.find_mailbox(system, by_key[key]) is None:
            raise Conflict(f"box {key} was not imported yet: run 'ivr import app-voicemail --box {key}' first")
    for key in keys:
        if back:
            moved.remove(key)
            text = f"callers reach app_voicemail; {await _export(app, options, by_key[key])}"
        else:
            one = by_key[key]
            moved.add(key, f"{one.number}@{_address_of(one.account)}")
            text = f"callers reach ivr; {await _import(app, system, options, key, accounts)}"
        await _record(app, by_key[key], back=back)
        echo(f"{key}: {text}", err=as_json)
        if _is_being_used(spool_folder, by_key[key]):
            echo(f"{key}: a message is being left in app_voicemail: repeat the import when it has ended", err=True)
    if not keys or as_json:
        addresses = moved.list()
        rows = [
            {"box": key, "reached in": "ivr" if key in addresses else "app_voicemail", "address": addresses.get(key)}
            for key in sorted(by_key)
        ]
        print_table(rows, COLUMNS, as_json)


async def _record(app: App, box: SourceBox, *, back: bool) -> None:
    mailbox = await app.boxes.find_by_number(box.account.id, box.number)
    assert mailbox
    subject = f"callers reach {'app_voicemail' if back else 'ivr'}"
    await record_command(app, AuditAction.SETTINGS_CHANGED, mailbox, [subject])
    if back:
        await record_command(app, AuditAction.EXPORTED, mailbox)


async def _import(
    app: App, system: VoicemailSystem, options: ImportOptions, key: str, accounts: Sequence[Account]
) -> str:
    report = await build_importer(app, None).run(system, replace(options, boxes=(key,)), accounts)
    return f"{report.boxes[0].imported} messages imported, {report.boxes[0].moved} moved"


async def _export(app: App, options: ImportOptions, box: SourceBox) -> str:
    mailbox = await app.boxes.find_by_number(box.account.id, box.number)
    assert mailbox
    target = ExportOptions(options.spool, options.conf, contexts={box.account.name: box.context})
    (report,) = await build_export(app).run(target, [mailbox])
    return f"{report.written} messages exported, {report.moved + report.removed} moved"


def _address_of(account: Account) -> str:
    """Return how the dialplan names an account. A name that has blanks cannot be an argument."""
    return account.name if account.name.isascii() and account.name.replace("-", "").isalnum() else account.id


def _is_being_used(spool_folder: Path, box: SourceBox) -> bool:
    folder = spool_folder / box.context / box.number / spool.TMP
    return folder.is_dir() and any(folder.iterdir())
