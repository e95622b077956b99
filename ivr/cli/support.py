"""Shared by all commands: opening the App, exit codes of errors, and output as table or JSON."""

from __future__ import annotations

import asyncio
import errno
import inspect
import json
import re
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ivr import logging_setup, settings
from ivr.app import App
from ivr.clock import date_of
from ivr.directory.models import Account
from ivr.errors import BadInput, BoxFull, Conflict, HungUp, IvrError, NotFound, StoreError
from ivr.storage.data_folder import database_path, earlier_database, is_present

T = TypeVar("T")
P = ParamSpec("P")

EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (BadInput, 2),
    (NotFound, 3),
    (Conflict, 4),
    (BoxFull, 4),
    (StoreError, 5),
    (FileNotFoundError, 3),
    (IsADirectoryError, 2),
    (IvrError, 1),
)
"""The first matching row counts; any other error exits with 1."""
INTERRUPTED_EXIT_CODE = 130
EXIT_STATUS = {
    0: "done",
    1: "any other error, `no` to a question, or something that `doctor`, `backup`, `box export`,"
    " `import verify` or `move-store --check` has found wrong",
    2: "wrong input: an option, a value, or a question that nothing can answer without a terminal",
    3: "there is no such account, user, box, message, file, or database; after `import`: with warnings",
    4: "a conflict: it exists already, is still in use, or the box is full; after `import`: something stays behind",
    5: "the data folder or the database cannot be read or written, or is of another version",
    INTERRUPTED_EXIT_CODE: "interrupted by Ctrl-C",
}
"""Meaning of the exit codes, for the manual page and docs/operations.md."""
OS_ERROR_REMEDIES = {
    errno.EACCES: ": run the command as root, or as the user of the service",
    errno.EPERM: ": run the command as root, or as the user of the service",
    errno.ENOENT: ": check the path",
    errno.EISDIR: ": name a file",
    errno.ENOTDIR: ": name a folder",
    errno.ENOSPC: ": free some space, then run the command again",
}

TABLE_WIDTH = 100_000
"""Maximum width of a table, in columns: ids are there to be copied, so a line wraps and is never cut."""

AccountOption = typer.Option(
    None, "--account", "-a", help="Name, realm or id of the account; required if there are several."
)
ForceOption = typer.Option(False, "--force", help="Store keys that are unknown to ivr too.")
YesOption = typer.Option(False, "--yes", "-y", help="Do not ask for confirmation.")
JsonOption = typer.Option(False, "--json", help="Print JSON.")


def exit_on_error(command: Callable[P, T]) -> Callable[P, T]:
    """Print an error of a command as one line on standard error, and exit with the code of its kind."""

    @wraps(command)
    def exiting_command(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except (IvrError, OSError) as error:
            echo(f"ivr: {_describe(error)}", err=True)
            raise typer.Exit(next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)) from None
        except (KeyboardInterrupt, HungUp):
            raise typer.Exit(INTERRUPTED_EXIT_CODE) from None

    return exiting_command


def _describe(error: IvrError | OSError) -> str:
    """Return the message of an error. That of the operating system has a number and no remedy."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    remedy = OS_ERROR_REMEDIES.get(error.errno or 0, "")
    return f"{error.filename or 'the operating system'}: {error.strerror}{remedy}"


Operation = Callable[Concatenate[App, P], Coroutine[Any, Any, None]]


def with_app(operation: Operation[P]) -> Callable[P, None]:
    """Make a command of an async function whose first parameter is the opened App.

    The App is closed afterwards, and errors are reported as by `exit_on_error`. The database must exist.
    """
    return _app_command(operation, create_database=False)


def with_new_app(operation: Operation[P]) -> Callable[P, None]:
    """Make a command as `with_app` does; a missing data folder or database is created."""
    return _app_command(operation, create_database=True)


def _app_command(operation: Operation[P], *, create_database: bool) -> Callable[P, None]:
    @wraps(operation)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        run_with_app(lambda app: operation(app, *args, **kwargs), create_database=create_database)

    signature = inspect.signature(operation)
    # Typer makes options of the signature: the App is not one of them.
    command.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    return exit_on_error(command)


def run_with_app(operation: Callable[[App], Awaitable[T]], *, create_database: bool = False) -> T:
    """Open the App of the settings, run `operation` with it, and close it.

    Raises `NotFound` if there is no database, unless `create_database` is set.
    """

    async def run() -> T:
        loaded = settings.load()
        if not create_database:
            require_database(loaded)
        logging_setup.configure_logging(loaded.log.model_copy(update={"level": "warning"}))
        app = App(loaded).open()
        try:
            return await operation(app)
        finally:
            app.close()

    return asyncio.run(run())


def require_database(loaded: settings.Settings) -> None:
    """Raise `NotFound` if the data folder contains no database, `StoreError` if that cannot be seen.

    A database in PostgreSQL is opened at once, which says what is wrong with it.
    """
    if loaded.database.url:
        return
    folder = loaded.data.folder
    try:
        exists = is_present(database_path(folder)) or earlier_database(folder) is not None
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be read: {error.strerror}; run as root, or as the user of the service"
        ) from None
    if not exists:
        raise NotFound(
            f"{folder} contains no database: check [data] folder in ivr.toml and IVR_DATA__FOLDER, or create the first"
            " account with 'ivr account create NAME'"
        )


async def resolve_account(app: App, name: str | None) -> Account:
    """Return the named account; without a name, the only account.

    Raises `NotFound`, and `BadInput` if there are several.
    """
    if name:
        return await app.directory.find_account_by_name(name)
    accounts = await app.directory.accounts()
    if len(accounts) == 1:
        return accounts[0]
    if not accounts:
        raise NotFound("there is no account yet: create one with 'ivr account create NAME'")
    names = ", ".join(account.name for account in accounts)
    raise BadInput(f"there are several accounts: name one with --account ({names})")


def confirm(question: str, *, assume_yes: bool) -> None:
    """Ask before a command deletes something. Anything but yes ends the command with exit code 1.

    Without a terminal there is no answer, and that to another question may be waiting on standard input. Raises
    `BadInput` then, unless `assume_yes` is set.
    """
    if assume_yes:
        return
    if not sys.stdin.isatty():
        raise BadInput(f"{question} There is no terminal to ask at, and nothing was changed: repeat it with --yes")
    typer.confirm(one_line(question), abort=True, err=True)


def read_line(what: str) -> str:
    """Return the first line of standard input. Raises `BadInput` if there is none."""
    if not (line := sys.stdin.readline().strip()):
        raise BadInput(f"standard input contains no line: write {what} to it")
    return line


def print_document(document: Mapping[str, Any], as_json: bool) -> None:
    """Print one object, a line for each key, or as JSON."""
    if as_json:
        echo(json.dumps(document, indent=2, default=str))
        return
    width = max(map(len, document), default=0)
    for key, value in document.items():
        echo(
            f"{one_line(key):<{width}}  {one_line(value if isinstance(value, str) else json.dumps(value, default=str))}"
        )


def print_table(rows: Iterable[Mapping[str, Any]], columns: list[str], as_json: bool) -> None:
    """Print a list, a line for each row with these columns, or all of it as JSON."""
    listed = list(rows)
    if as_json:
        echo(json.dumps(listed, indent=2, default=str))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ignore")
    for row in listed:
        table.add_row(*(Text("" if row[column] is None else one_line(row[column])) for column in columns))
    console = Console(width=TABLE_WIDTH, highlight=False)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        echo(line.rstrip())


def echo(text: str = "", *, err: bool = False) -> None:
    """Print a text to standard output, or to standard error, without what would control the terminal.

    Every command prints by this function or, in colour, `one_line`: callers, clients and files choose parts of a text.
    """
    typer.echo("\n".join(map(one_line, text.split("\n"))), err=err)


def one_line(value: object) -> str:
    """Return a value as text on a line: what would break the line or control the terminal becomes a space."""
    return "".join(character if character.isprintable() else " " for character in str(value))


TIME_FORMAT = (
    "YYYY-MM-DD HH:MM:SS, in the time zone of this machine unless an offset such as +00:00 follows; YYYY-MM-DD; or how"
    " long ago: 90m, 2h, 7d"
)
_AGO = re.compile(r"(\d{1,6})\s*([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def format_time(timestamp: float) -> str:
    """Return a Unix time as `2026-11-28 12:43:41+01:00`. The variable TZ changes the time zone, as everywhere."""
    return date_of(int(timestamp)).isoformat(sep=" ")


def parse_period(since: str | None, until: str | None, now: float, *, earliest: int, latest: int) -> tuple[int, int]:
    """Return the period that two options name. Raises `BadInput`, also for one that ends before it begins."""
    begin = max(earliest, parse_time(since, now)) if since else earliest
    end = parse_time(until, now, end_of_day=True) if until else latest
    if since and until and end < begin:
        raise BadInput(f"--until {until} is before --since {since}")
    return begin, end


def parse_time(text: str, now: float, *, end_of_day: bool = False) -> int:
    """Return the Unix time of what `format_time` writes, of a date, or of a duration before `now`. Raises `BadInput`.

    `end_of_day`: a date means its last second.
    """
    if ago := _AGO.fullmatch(text.strip()):
        return int(now) - int(ago[1]) * _UNIT_S[ago[2]]
    try:
        parsed = datetime.fromisoformat(text)
        is_date = len(text.strip()) <= len("2026-11-28")
        if is_date and end_of_day:
            parsed += timedelta(days=1, seconds=-1)
        return int(parsed.timestamp())
    except (ValueError, OverflowError):
        raise BadInput(f"{text!r} is not a time: write {TIME_FORMAT}") from None


@contextmanager
def show_progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error if that is a terminal. Call what it yields with done and total."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
