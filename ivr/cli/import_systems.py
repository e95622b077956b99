"""`ivr import SYSTEM`: one command for each system that can be imported."""

from __future__ import annotations

from pathlib import Path

import typer

from ivr.cli import import_run
from ivr.cli.import_run import ImportCommand, RetentionStart, ShortPins, WeakPins
from ivr.cli.imports import command
from ivr.cli.support import JsonOption, exit_on_error
from ivr.errors import BadInput
from ivr.imports.app_voicemail import APP_VOICEMAIL
from ivr.imports.freepbx_system import FREEPBX
from ivr.imports.fusionpbx import FUSIONPBX
from ivr.imports.kazoo import KAZOO
from ivr.imports.source import ImportOptions

ASTDB = Path("/var/lib/asterisk/astdb.sqlite3")
DatabaseOption = typer.Option(
    help="Connection string of PostgreSQL without a password, such as 'host=/run/postgresql dbname=fusionpbx'."
)


@command.command("app-voicemail")
@exit_on_error
def app_voicemail(
    conf: Path = typer.Option(import_run.CONF, help="The voicemail.conf."),
    spool: Path = typer.Option(import_run.SPOOL, help="The folder of the contexts of app_voicemail."),
    database: str | None = typer.Option(
        None,
        help="Database without its password: 'host=/run/postgresql dbname=asterisk' of PostgreSQL, or"
        " mysql://asterisk@localhost/asterisk of MariaDB and MySQL.",
    ),
    dump: Path | None = typer.Option(
        None, help="Dump of a MariaDB or MySQL with those tables (.sql or .sql.gz), in the place of --database."
    ),
    mailboxes_table: str | None = typer.Option(None, help="Table of realtime mailboxes, such as voicemail_users."),
    messages_table: str | None = typer.Option(None, help="Table of messages over ODBC, such as voicemessages."),
    context: list[str] = import_run.ContextOption,
    box: list[str] = import_run.BoxOption,
    only: str = import_run.OnlyOption,
    dry_run: bool = import_run.DryRunOption,
    report: Path | None = import_run.ReportOption,
    pins: Path | None = import_run.PinsOption,
    short_pins: ShortPins = import_run.ShortPinsOption,
    weak_pins: WeakPins = import_run.WeakPinsOption,
    folders: str = import_run.FoldersOption,
    retention: RetentionStart = import_run.RetentionOption,
    follow: bool = import_run.FollowOption,
    interval: float = import_run.IntervalOption,
    as_json: bool = JsonOption,
) -> None:
    """Import the boxes, greetings and messages of app_voicemail.

    voicemail.conf and the spool are only read. What was imported is not imported again, so an import that was
    interrupted is continued by the same command. Exit code 3: with warnings; 4: something stays behind.
    """
    if database and dump:
        raise BadInput("--database and --dump are two sources of the same tables: leave out one of them")
    if bool(database or dump) != bool(mailboxes_table or messages_table):
        raise BadInput("--database, or --dump, goes with --mailboxes-table, --messages-table or both")
    if follow and messages_table:
        raise BadInput("--follow looks at a spool: repeat the command for messages that are in a table")
    dump_path = str(dump.absolute()) if dump else None
    tables = {
        "database": database,
        "dump": dump_path,
        "mailboxes_table": mailboxes_table,
        "messages_table": messages_table,
    }
    options = ImportOptions(
        system=APP_VOICEMAIL,
        origin={
            "conf": str(conf.absolute()),
            "spool": str(spool.absolute()),
            **{name: value for name, value in tables.items() if value},
        },
        contexts=import_run.parse_pairs(context, "--context", "default=acme"),
        boxes=tuple(box),
        only=import_run.parse_parts(only),
        short_pins=short_pins,
        weak_pins=weak_pins,
        folders=import_run.parse_folders(folders),
        retention=retention,
    )
    ImportCommand(dry_run, report, pins, as_json, interval if follow else None).run(options)


@command.command("freepbx")
@exit_on_error
def freepbx(
    conf: Path = typer.Option(import_run.CONF, help="The voicemail.conf that FreePBX writes."),
    spool: Path = typer.Option(import_run.SPOOL, help="The folder of the contexts of app_voicemail."),
    dump: Path | None = typer.Option(None, help="Dump of FreePBX's MariaDB (.sql or .sql.gz): names and addresses."),
    extensions: Path | None = typer.Option(None, help="CSV of extensions that FreePBX's bulk handler has exported."),
    astdb: Path | None = typer.Option(
        None, help=f"Asterisk's database, or the output of 'database show'. Default: {ASTDB}, if there is one."
    ),
    context: list[str] = import_run.ContextOption,
    box: list[str] = import_run.BoxOption,
    only: str = import_run.OnlyOption,
    dry_run: bool = import_run.DryRunOption,
    report: Path | None = import_run.ReportOption,
    pins: Path | None = import_run.PinsOption,
    short_pins: ShortPins = import_run.ShortPinsOption,
    weak_pins: WeakPins = import_run.WeakPinsOption,
    folders: str = import_run.FoldersOption,
    retention: RetentionStart = import_run.RetentionOption,
    follow: bool = import_run.FollowOption,
    interval: float = import_run.IntervalOption,
    as_json: bool = JsonOption,
) -> None:
    """Import the boxes, greetings and messages of a FreePBX.

    Its files and its database are only read. voicemail.conf counts; the others add what it does not say: who needs no
    PIN at the own phone, who may not use the star key, the operator, and what its VmX Locater does. Otherwise it is as
    'ivr import app-voicemail'.
    """
    files = {
        "conf": conf,
        "spool": spool,
        "dump": dump,
        "extensions": extensions,
        "astdb": astdb or (ASTDB if ASTDB.exists() else None),
    }
    options = ImportOptions(
        system=FREEPBX,
        origin={name: str(path.absolute()) for name, path in files.items() if path},
        contexts=import_run.parse_pairs(context, "--context", "default=acme"),
        boxes=tuple(box),
        only=import_run.parse_parts(only),
        short_pins=short_pins,
        weak_pins=weak_pins,
        folders=import_run.parse_folders(folders),
        retention=retention,
    )
    ImportCommand(dry_run, report, pins, as_json, interval if follow else None).run(options)


@command.command("kazoo")
@exit_on_error
def kazoo(
    url: str = typer.Option(help="Address of Kazoo's API, such as https://kazoo.example:8443/v2."),
    account: str = typer.Option(help="Id of the account in Kazoo."),
    api_key_file: Path = typer.Option(help="File whose first line is the API key of that account."),
    context: list[str] = import_run.RealmOption,
    box: list[str] = import_run.BoxOption,
    only: str = import_run.OnlyOption,
    dry_run: bool = import_run.DryRunOption,
    report: Path | None = import_run.ReportOption,
    pins: Path | None = import_run.PinsOption,
    short_pins: ShortPins = import_run.ShortPinsOption,
    weak_pins: WeakPins = import_run.WeakPinsOption,
    retention: RetentionStart = import_run.RetentionOption,
    as_json: bool = JsonOption,
) -> None:
    """Import the boxes, greetings and messages of an account of Kazoo, over its REST API.

    Kazoo is only read. What was imported is not imported again: repeat the command after it was interrupted, and for
    the messages that came since. Exit code 3: with warnings; 4: something stays behind.
    """
    options = ImportOptions(
        system=KAZOO,
        origin={"url": url.rstrip("/"), "account": account, "api_key_file": str(api_key_file.absolute())},
        contexts=import_run.parse_pairs(context, "--context", "acme.example=acme"),
        boxes=tuple(box),
        only=import_run.parse_parts(only),
        short_pins=short_pins,
        weak_pins=weak_pins,
        retention=retention,
    )
    ImportCommand(dry_run, report, pins, as_json).run(options)


@command.command("fusionpbx")
@exit_on_error
def fusionpbx(
    database: str = DatabaseOption,
    storage: Path | None = typer.Option(
        None, help="FreeSWITCH's storage folder, for recordings that are not in the database."
    ),
    context: list[str] = import_run.RealmOption,
    box: list[str] = import_run.BoxOption,
    only: str = import_run.OnlyOption,
    dry_run: bool = import_run.DryRunOption,
    report: Path | None = import_run.ReportOption,
    pins: Path | None = import_run.PinsOption,
    short_pins: ShortPins = import_run.ShortPinsOption,
    weak_pins: WeakPins = import_run.WeakPinsOption,
    retention: RetentionStart = import_run.RetentionOption,
    as_json: bool = JsonOption,
) -> None:
    """Import the boxes, greetings and messages of a FusionPBX from its PostgreSQL database.

    The database and the recordings are only read. What was imported is not imported again: repeat the command after it
    was interrupted, and for the messages that came since. Exit code 3: with warnings; 4: something stays behind.
    """
    origin = {"database": database}
    if storage:
        origin["storage"] = str(storage.absolute())
    options = ImportOptions(
        system=FUSIONPBX,
        origin=origin,
        contexts=import_run.parse_pairs(context, "--context", "acme.example=acme"),
        boxes=tuple(box),
        only=import_run.parse_parts(only),
        short_pins=short_pins,
        weak_pins=weak_pins,
        retention=retention,
    )
    ImportCommand(dry_run, report, pins, as_json).run(options)
