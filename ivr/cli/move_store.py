"""`ivr move-store`: all rows to PostgreSQL, and back to SQLite."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from ivr import logging_setup, settings
from ivr.cli.audit import record_afterwards
from ivr.cli.progress import show_progress
from ivr.cli.support import JsonOption, exit_on_error, print_table, require_database
from ivr.errors import BadInput
from ivr.settings import Settings
from ivr.storage.records import AuditAction, RowComparison
from ivr.stores import Stores

SQLITE = "sqlite"
ADDRESS_PREFIXES = ("postgresql://", "postgres://")
COLUMNS = ["table", "rows", "rows_there", "equal"]
_PASSWORD = re.compile(r"(?<=://)([^/?#@:]*):[^/?#@]*@|([?&]password=)[^&]*")


@exit_on_error
def move_store(
    to: str = typer.Option(
        ...,
        "--to",
        metavar="ADDRESS",
        help="postgresql://user@host/database; sqlite: the data folder of the settings; or the path of a data folder.",
    ),
    check: bool = typer.Option(False, "--check", help="Only compare both; exit code 1: they differ."),
    as_json: bool = JsonOption,
) -> None:
    """Move all rows from SQLite to PostgreSQL, or back.

    Stop the service first. The database that is in use now stays as it is, and is the way back. Recordings stay in
    the data folder. All rows are copied in one transaction and compared; then the settings to write are printed. After
    an interruption, repeat it.
    """
    loaded = settings.load()
    logging_setup.configure_logging(loaded.log.model_copy(update={"level": "warning"}))
    require_database(loaded)
    target = _parse_target(to, loaded)
    move = Stores(loaded).row_move(target)
    if check:
        with show_progress("comparing rows") as on_progress:
            comparison = move.compare(on_progress)
        print_table(_rows(comparison), COLUMNS, as_json)
        _warn(comparison)
        raise typer.Exit(not comparison.is_equal)
    if move.is_done():
        typer.echo("all rows are there already, and equal", err=as_json)
    else:
        record_afterwards(AuditAction.EXPORTED, f"all rows, to {_without_password(to)}")
        with show_progress("moving rows") as on_progress:
            comparison = move.run(on_progress)
        if as_json:
            print_table(_rows(comparison), COLUMNS, as_json)
        typer.echo(
            f"{comparison.row_count} rows of {len(comparison.tables)} tables are moved from {comparison.source} to"
            f" {comparison.target}, and are equal; {comparison.source} is unchanged",
            err=as_json,
        )
        _warn(comparison)
    for line in _next_steps(target, to, loaded):
        typer.echo(line, err=as_json)


def _parse_target(to: str, loaded: Settings) -> str | Path:
    """Return the address, or the data folder. Raises `BadInput` if it is of the engine that is in use."""
    if to.startswith(ADDRESS_PREFIXES):
        if loaded.database.url:
            raise BadInput(
                "the rows are in PostgreSQL already (database.url): pg_dump and pg_restore move them to another"
                " server; --to sqlite moves them back"
            )
        return to
    if "://" in to or (to != SQLITE and not Path(to).is_dir()):
        raise BadInput(
            f"--to {_without_password(to)} is no address of PostgreSQL, and no folder: write postgresql://user@host/"
            "database, sqlite, or the path of a data folder that exists"
        )
    if not loaded.database.url:
        raise BadInput("the rows are in SQLite already: ivr backup and ivr restore move a data folder elsewhere")
    return loaded.data.folder if to == SQLITE else Path(to).absolute()


def _rows(comparison: RowComparison) -> list[dict[str, object]]:
    return [
        {
            "table": table.table,
            "rows": table.source_rows,
            "rows_there": table.target_rows,
            "equal": "yes" if table.is_equal else "NO",
        }
        for table in comparison.tables
    ]


def _warn(comparison: RowComparison) -> None:
    for sentence in comparison.wrong_counters:
        typer.echo(f"ivr: {sentence}", err=True)


def _next_steps(target: str | Path, to: str, loaded: Settings) -> list[str]:
    if isinstance(target, str):
        lines = ["now write to ivr.toml:", "", "    [database]", f'    url = "{_without_password(to)}"', ""]
    else:
        lines = ["now remove url from [database] in ivr.toml (and IVR_DATABASE__URL)", ""]
        if target != loaded.data.folder:
            lines = [*lines[:-1], f'write folder = "{target}" to [data], and copy recordings and secrets there', ""]
    return [*lines, "then: systemctl start ivr; ivr doctor"]


def _without_password(address: str) -> str:
    return _PASSWORD.sub(lambda match: f"{match[1]}:PASSWORD@" if match[2] is None else f"{match[2]}PASSWORD", address)
