"""`ivr doctor`: finds what is wrong with an installation, and says how to correct it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import asdict

import typer
from rich.console import Console
from rich.text import Text

from ivr import logging_setup, settings
from ivr.app import App
from ivr.cli.support import JsonOption, echo, exit_on_error, one_line
from ivr.doctor.console import RemoteConsole
from ivr.doctor.doctor import run_checks
from ivr.doctor.installation import DatabaseSnapshot, HostInfo, Installation, read_database_snapshot
from ivr.doctor.settings_file import comment_command, rename_command
from ivr.errors import MigrationRequired, SettingsError, StoreError, describe_error
from ivr.health.finding import EDITOR, RESTART, RUN_AS_ROOT, Finding, Level, problem, quoted, warning
from ivr.pepper_files import pepper_path
from ivr.settings import Settings
from ivr.storage.audio_store import verify_database_kept, verify_rows_kept
from ivr.storage.data_folder import database_path, is_present, verify_layout
from ivr.storage.files import run_as_owner_of
from ivr.stores import Stores

LEVEL_STYLES = {Level.OK: ("ok", "green"), Level.WARNING: ("warning", "yellow"), Level.PROBLEM: ("problem", "bold red")}
COLUMN_WIDTHS = (9, 19)


@exit_on_error
def doctor(as_json: bool = JsonOption) -> None:
    """Check this installation.

    Checks what a call needs, on this machine and in Asterisk. Exit code 1: at least one problem was found.
    """
    findings = _run_checks()
    if as_json:
        echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print_findings(findings)
    raise typer.Exit(any(finding.level is Level.PROBLEM for finding in findings))


def _run_checks() -> list[Finding]:
    try:
        loaded = settings.load()
    except SettingsError as error:
        what = str(error).replace("\n", " ")
        remedy = "correct the setting; docs/settings.md lists all settings"
        file = settings.config_path()
        if command := rename_command(error, file):
            return [problem("config", what, remedy, command=command)]
        if command := comment_command(error, file):
            remedy += "; or make a comment of it, so that its default is used"
        elif file:
            command = f"{EDITOR} {quoted(file)} && {RESTART}"
        return [problem("config", what, remedy, command=command)]
    except OSError as error:
        what = f"the settings cannot be read: {describe_error(error)}"
        return [problem("config", what, command=RUN_AS_ROOT)]
    logging_setup.configure_logging(loaded.log.model_copy(update={"level": "error"}))
    snapshot, database_error, database_findings = _read_database(loaded)
    installation = Installation(
        settings=loaded,
        config_file=settings.config_path(),
        host=HostInfo(),
        console=RemoteConsole(loaded.asterisk.console_command),
        snapshot=snapshot,
        database_error=database_error,
    )
    return [*run_checks(installation), *database_findings]


def _read_database(site_settings: Settings) -> tuple[DatabaseSnapshot | None, str, list[Finding]]:
    """Return the content of the database, why it cannot be used, and findings. A missing database is not created."""
    folder = site_settings.data.folder
    with run_as_owner_of(folder):
        try:
            verify_layout(folder)
            if not _has_database(site_settings):
                stores = Stores(site_settings)
                if site_settings.database.url:
                    verify_rows_kept(stores.database_url, folder, stores.open_recordings)
                else:
                    verify_database_kept(folder, stores.database_files.has_accounts, stores.open_recordings)
                where = "PostgreSQL" if site_settings.database.url else folder
                what, remedy = (
                    f"{where} contains no database of ivr yet",
                    "create the first account, of a NAME of yours",
                )
                command = "ivr account create NAME"
                return None, "", [warning("database", what, remedy, command=command, fill_in=("NAME",))]
            if not pepper_path(folder, site_settings.pins.pepper_file).is_file():  # Opening would create another one.
                return None, "", []
            return asyncio.run(_read_snapshot(site_settings)), "", []
        except MigrationRequired as error:
            what = str(error).partition(": ")[0]
            return (
                None,
                "",
                [problem("database", what, command="systemctl stop ivr.socket ivr; ivr migrate; systemctl start ivr")],
            )
        except (StoreError, SettingsError, OSError) as error:
            return None, describe_error(error), []


def _has_database(site_settings: Settings) -> bool:
    """Return whether the database has tables. Raises `StoreError`, `SettingsError`."""
    if site_settings.database.url:
        return Stores(site_settings).migration.plan().version > 0
    return is_present(database_path(site_settings.data.folder))


async def _read_snapshot(site_settings: Settings) -> DatabaseSnapshot:
    app = App(site_settings)  # Not `open`, which creates folders and corrects their modes: nothing is changed here.
    try:
        return await read_database_snapshot(app)
    finally:
        app.close()


def _print_findings(findings: Iterable[Finding]) -> None:
    """Print a line for each finding."""
    out = Console(highlight=False)
    for finding in findings:
        word, style = LEVEL_STYLES[finding.level]
        line = Text(f"{word:<{COLUMN_WIDTHS[0]}}", style)
        line.append(f"{finding.check:<{COLUMN_WIDTHS[1]}}{one_line(finding.what)}", "default")
        if finding.remedy:
            line.append(f"  → {one_line(finding.remedy)}", "default")
        out.print(line, soft_wrap=True)
        if finding.command and finding.command != finding.remedy:
            out.print(Text(f"{'':<{sum(COLUMN_WIDTHS)}}# {one_line(finding.command)}", "default"), soft_wrap=True)
