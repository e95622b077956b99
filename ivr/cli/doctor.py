"""`ivr doctor`: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import asdict

import typer
from rich.console import Console
from rich.text import Text

from ivr import logs, settings
from ivr.app import build
from ivr.cli.edge import JsonOption, told
from ivr.doctor.console import RemoteConsole
from ivr.doctor.doctor import examine
from ivr.doctor.finding import Finding, Level, problem, warning
from ivr.doctor.installation import Census, Installation, Machine, as_owner_of, census_of
from ivr.errors import SettingsError, StoreError
from ivr.settings import Settings

SHOWN = {Level.OK: ("ok", "green"), Level.WARNING: ("warning", "yellow"), Level.PROBLEM: ("problem", "bold red")}
WIDTHS = (9, 19)


@told
def doctor(as_json: bool = JsonOption) -> None:
    """Look at everything a call needs, Asterisk's part too. Exit code 1 where there is a problem."""
    found = list(_examined())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        _show(found)
    raise typer.Exit(any(finding.level is Level.PROBLEM for finding in found))


def _examined() -> Iterable[Finding]:
    try:
        loaded = settings.load()
    except SettingsError as error:
        return [problem("config", str(error).replace("\n", " "), "mend it there: docs/settings.md lists all settings")]
    except OSError as error:
        return [problem("config", f"it cannot be read: {error}", "run ivr doctor as root, or as the service's user")]
    logs.configure(loaded.log.model_copy(update={"level": "error"}))
    census, complaints = _census(loaded)
    site = Installation(loaded, settings.config_path(), Machine(), RemoteConsole(loaded.asterisk.console), census)
    return [*examine(site), *complaints]


def _census(loaded: Settings) -> tuple[Census | None, list[Finding]]:
    """Who and what is in the database; a doctor makes none where there is none."""
    folder = loaded.data.folder
    with as_owner_of(folder):
        try:
            if not (folder / "ivr.db").exists():
                return None, [warning("database", f"there is none in {folder} yet", "ivr account create NAME makes it")]
            return asyncio.run(_counted(loaded)), []
        except (StoreError, OSError) as error:
            return None, [
                problem(
                    "database",
                    str(error),
                    f"let {folder} and all in it belong to the service's user; bring back a backup of a broken file",
                )
            ]


async def _counted(loaded: Settings) -> Census:
    app = build(loaded)
    try:
        return await census_of(app)
    finally:
        app.close()


def _show(found: Iterable[Finding]) -> None:
    """A line each."""
    out = Console(highlight=False)
    for finding in found:
        word, style = SHOWN[finding.level]
        line = Text(f"{word:<{WIDTHS[0]}}", style).append(f"{finding.check:<{WIDTHS[1]}}{finding.what}", "default")
        if finding.remedy:
            line.append(f"  → {finding.remedy}", "default")
        out.print(line, soft_wrap=True)
