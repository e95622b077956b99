"""`ivr move-store`: all rows to PostgreSQL, all recordings to a bucket, and back."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from ivr import logging_setup, settings
from ivr.cli.audit import record_afterwards
from ivr.cli.support import JsonOption, echo, exit_on_error, print_table, require_database, run_with_app, show_progress
from ivr.errors import BadInput
from ivr.settings import Settings
from ivr.storage.audio_move import create_audio_move
from ivr.storage.records import AudioComparison, AuditAction, RowComparison
from ivr.stores import Stores

SQLITE = "sqlite"
ADDRESS_PREFIXES = ("postgresql://", "postgres://")
MAX_NAMES = 3
COLUMNS = ["table", "rows", "rows_there", "equal"]
_PASSWORD = re.compile(r"(?<=://)([^/?#@:]*):[^/?#@]*@|([?&]password=)[^&]*")


@exit_on_error
def move_store(
    to: str | None = typer.Option(
        None,
        "--to",
        metavar="ADDRESS",
        help="Where rows go: postgresql://user@host/database; sqlite: the data folder of the settings; or the path of a"
        " data folder.",
    ),
    audio: str | None = typer.Option(
        None, "--audio", metavar="STORE", help="Where recordings go: s3://bucket/prefix; or folder: the data folder."
    ),
    check: bool = typer.Option(False, "--check", help="Only compare both; exit code 1: they differ."),
    as_json: bool = JsonOption,
) -> None:
    """Move all rows or recordings to another store, or back.

    Rows go from SQLite to PostgreSQL: stop the service first. Recordings go from the data folder to a bucket: while it
    runs, and once more while it is stopped. The store that is in use now stays as it is, and is the way back. What was
    copied is compared; then the settings to write are printed. After an interruption, repeat it.
    """
    if not (to or audio):
        raise BadInput("name where to move: --to for rows, --audio for recordings")
    loaded = settings.load()
    logging_setup.configure_logging(loaded.log.model_copy(update={"level": "warning"}))
    require_database(loaded)
    target = _parse_target(to, loaded) if to else None
    table: list[dict[str, object]] = []
    lines: list[str] = []
    is_equal = is_finished = True
    if audio:
        found = _move_audio(audio, loaded, only_compare=check)
        is_equal = is_finished = found.is_equal
        table.append(_row("recordings", found.recordings, found.recordings - len(found.different), found.is_equal))
        lines += [] if check else _describe_audio(found, audio)
    if to and target:
        comparison = _move_rows(to, target, loaded, only_compare=check)
        if comparison:
            is_equal &= comparison.is_equal
            table += [_row(one.table, one.source_rows, one.target_rows, one.is_equal) for one in comparison.tables]
        lines += [] if check else _describe_rows(comparison, to, target, loaded)
    if check or as_json:
        print_table(table, COLUMNS, as_json)
    if is_finished and not check:
        lines.append("then: systemctl start ivr; ivr doctor")
    for line in lines:
        echo(line, err=as_json)
    if not (is_equal if check else is_finished):
        raise typer.Exit(1)


def _move_audio(store: str, loaded: Settings, *, only_compare: bool) -> AudioComparison:
    accounts = run_with_app(lambda app: app.directory.accounts(include_deleted=True))
    move = create_audio_move(loaded.audio, store, loaded.data.folder, [account.id for account in accounts])
    if not only_compare:
        record_afterwards(AuditAction.EXPORTED, f"all recordings, to {store}")
    with show_progress("comparing recordings" if only_compare else "moving recordings") as on_progress:
        comparison = (move.compare if only_compare else move.run)(on_progress)
    if only_compare and comparison.different:
        names = ", ".join(comparison.different[:MAX_NAMES])
        echo(
            f"ivr: {len(comparison.different)} recordings are missing in {comparison.target}, or are others ({names}):"
            " repeat the command without --check; delete first what is damaged there",
            err=True,
        )
    if comparison.only_there:
        echo(
            f"ivr: {comparison.only_there} recordings are in {comparison.target} only: their messages were deleted"
            " since they were copied. The daily check of files removes them once it is in use",
            err=True,
        )
    return comparison


def _describe_audio(found: AudioComparison, store: str) -> list[str]:
    if not found.is_equal:
        return [
            f"{found.different} of {found.recordings} recordings are new since they were listed: repeat the command"
        ]
    return [
        f"all {found.recordings} recordings of {found.source} are in {found.target}; {found.source} is unchanged",
        "if services were running, stop them, and repeat the command: it copies what is new since",
        "now write to ivr.toml, and remove IVR_AUDIO__STORE:",
        "",
        "    [audio]",
        f'    store = "{store}"',
        "",
    ]


def _move_rows(to: str, target: str | Path, loaded: Settings, *, only_compare: bool) -> RowComparison | None:
    """Move all rows, or only compare them. Return None if they were moved before."""
    move = Stores(loaded).row_move(target)
    if only_compare:
        with show_progress("comparing rows") as on_progress:
            comparison = move.compare(on_progress)
    elif move.is_done():
        return None
    else:
        record_afterwards(AuditAction.EXPORTED, f"all rows, to {_without_password(to)}")
        with show_progress("moving rows") as on_progress:
            comparison = move.run(on_progress)
    for sentence in comparison.wrong_counters:
        echo(f"ivr: {sentence}", err=True)
    return comparison


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


def _row(table: str, rows: int, rows_there: int, is_equal: bool) -> dict[str, object]:
    return {"table": table, "rows": rows, "rows_there": rows_there, "equal": "yes" if is_equal else "NO"}


def _describe_rows(moved: RowComparison | None, to: str, target: str | Path, loaded: Settings) -> list[str]:
    """Return what happened, and the settings to write."""
    if moved:
        lines = [
            f"{moved.row_count} rows of {len(moved.tables)} tables are moved from {moved.source} to {moved.target}, and"
            f" are equal; {moved.source} is unchanged"
        ]
    else:
        lines = ["all rows are there already, and equal"]
    if isinstance(target, str):
        return [*lines, "now write to ivr.toml:", "", "    [database]", f'    url = "{_without_password(to)}"', ""]
    lines += ["now remove url from [database] in ivr.toml (and IVR_DATABASE__URL)"]
    if target != loaded.data.folder:
        lines += [f'write folder = "{target}" to [data], and copy recordings and secrets there']
    return [*lines, ""]


def _without_password(address: str) -> str:
    return _PASSWORD.sub(lambda match: f"{match[1]}:PASSWORD@" if match[2] is None else f"{match[2]}PASSWORD", address)
