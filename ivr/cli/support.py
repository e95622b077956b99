"""Where commands meet the person who types them: errors become one line, results a table or JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from ivr import logging_setup, settings
from ivr.app import App
from ivr.directory.models import Account
from ivr.errors import BadInput, BoxFull, Conflict, HungUp, IvrError, NotFound, StoreError

T = TypeVar("T")
P = ParamSpec("P")

EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (BadInput, 2),
    (NotFound, 3),
    (Conflict, 4),
    (BoxFull, 4),
    (StoreError, 5),
    (IvrError, 1),
)
"""The first line that fits."""

MIN_TABLE_WIDTH = 160
"""Columns of a listing at least."""

AccountOption = typer.Option(None, "--account", "-a", help="Name, realm or id; needed only where there are several.")
JsonOption = typer.Option(False, "--json", help="As JSON.")


def exit_on_error(function: Callable[P, T]) -> Callable[P, T]:
    """A command whose errors are told in one line, with an exit code of their kind; never a traceback."""

    @wraps(function)
    def safely(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (IvrError, OSError) as error:
            typer.echo(f"ivr: {error}", err=True)
            raise typer.Exit(next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)) from None
        except (KeyboardInterrupt, HungUp):
            raise typer.Exit(130) from None

    return safely


def run_with_app(operation: Callable[[App], Coroutine[Any, Any, T]]) -> T:
    """Open the data folder, do `job`, let go of it."""

    async def run() -> T:
        loaded = settings.load()
        logging_setup.configure_logging(loaded.log.model_copy(update={"level": "warning"}))
        app = App(loaded).open()
        try:
            return await operation(app)
        finally:
            app.close()

    return asyncio.run(run())


async def resolve_account(app: App, name: str | None) -> Account:
    """The account that was named, else the only one. Raises `NotFound`."""
    if name:
        return await app.directory.find_account_by_name(name)
    accounts = await app.directory.accounts()
    if len(accounts) == 1:
        return accounts[0]
    names = ", ".join(account.name for account in accounts)
    raise NotFound(
        f"say which account with --account: {names}" if names else "there is no account yet: 'ivr account create NAME'"
    )


def print_document(document: Mapping[str, Any], as_json: bool) -> None:
    """One thing, a line a key."""
    if as_json:
        typer.echo(json.dumps(document, indent=2, default=str))
        return
    width = max(map(len, document), default=0)
    for key, value in document.items():
        typer.echo(f"{key:<{width}}  {value if isinstance(value, str) else json.dumps(value, default=str)}")


def print_table(rows: Iterable[Mapping[str, Any]], columns: list[str], as_json: bool) -> None:
    """Many things, a row each."""
    found = list(rows)
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=str))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ignore")
    for row in found:
        table.add_row(*("" if row[column] is None else str(row[column]) for column in columns))
    # Ids are for copying: a line that is too long for the screen is better than one cut short.
    Console(width=max(Console().width, MIN_TABLE_WIDTH), highlight=False).print(table, soft_wrap=True)


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """`key=value` words as a document: values are JSON where they can be, else text; dots lead into objects.

    Raises `BadInput`.
    """
    document: dict[str, Any] = {}
    for word in assignments:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise BadInput(f"{word!r}: write key=value")
        *path, last = key.split(".")
        place = document
        for part in path:
            place = place.setdefault(part, {})
        place[last] = _parse_value(key.split("."), value)
    return document


def _parse_value(path: list[str], text: str) -> Any:
    if "keys" in path or path[-1] in ("pin", "mailbox", "operator_number", "number", "voicemail_id"):
        return None if text == "null" else text  # "0042" is four keys, not 42.
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


AppOperation = Callable[[App], Awaitable[None]]
