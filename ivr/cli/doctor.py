"""`ivr doctor`: what is wrong with this installation, and how to mend it."""

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
from ivr.cli.support import JsonOption, exit_on_error
from ivr.doctor.console import RemoteConsole
from ivr.doctor.doctor import run_checks
from ivr.doctor.finding import Finding, Level, problem, warning
from ivr.doctor.installation import DatabaseSnapshot, HostInfo, Installation, read_database_snapshot, run_as_owner_of
from ivr.errors import SettingsError, StoreError
from ivr.settings import Settings

LEVEL_STYLES = {Level.OK: ("ok", "green"), Level.WARNING: ("warning", "yellow"), Level.PROBLEM: ("problem", "bold red")}
COLUMN_WIDTHS = (9, 19)


@exit_on_error
def doctor(as_json: bool = JsonOption) -> None:
    """Look at everything a call needs, Asterisk's part too. Exit code 1 where there is a problem."""
    found = list(_run_checks())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        _print_findings(found)
    raise typer.Exit(any(finding.level is Level.PROBLEM for finding in found))


def _run_checks() -> Iterable[Finding]:
    try:
        loaded = settings.load()
    except SettingsError as error:
        return [problem("config", str(error).replace("\n", " "), "mend it there: docs/settings.md lists all settings")]
    except OSError as error:
        return [problem("config", f"it cannot be read: {error}", "run ivr doctor as root, or as the service's user")]
    logging_setup.configure_logging(loaded.log.model_copy(update={"level": "error"}))
    census, complaints = _load_record_counts(loaded)
    site = Installation(
        loaded, settings.config_path(), HostInfo(), RemoteConsole(loaded.asterisk.console_command), census
    )
    return [*run_checks(site), *complaints]


def _load_record_counts(site_settings: Settings) -> tuple[DatabaseSnapshot | None, list[Finding]]:
    """Who and what is in the database; a doctor makes none where there is none."""
    folder = site_settings.data.folder
    with run_as_owner_of(folder):
        try:
            if not (folder / "ivr.db").exists():
                return None, [warning("database", f"there is none in {folder} yet", "ivr account create NAME makes it")]
            return asyncio.run(_count_records(site_settings)), []
        except (StoreError, OSError) as error:
            return None, [
                problem(
                    "database",
                    str(error),
                    f"let {folder} and all in it belong to the service's user; bring back a backup of a broken file",
                )
            ]


async def _count_records(site_settings: Settings) -> DatabaseSnapshot:
    app = App(site_settings).open()
    try:
        return await read_database_snapshot(app)
    finally:
        app.close()


def _print_findings(findings: Iterable[Finding]) -> None:
    """A line each."""
    out = Console(highlight=False)
    for finding in findings:
        word, style = LEVEL_STYLES[finding.level]
        line = Text(f"{word:<{COLUMN_WIDTHS[0]}}", style).append(
            f"{finding.check:<{COLUMN_WIDTHS[1]}}{finding.what}", "default"
        )
        if finding.remedy:
            line.append(f"  → {finding.remedy}", "default")
        out.print(line, soft_wrap=True)
