"""`ivr outbox`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import typer

from ivr.app import App
from ivr.cli.edge import JsonOption, show_all, told, with_app
from ivr.errors import BadInput
from ivr.notify.outbox import Row

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["id", "kind", "about", "due", "attempts", "error", "box", "message"]


@command.command("list")
@told
def list_all(
    given_up: bool = typer.Option(False, help="Only what was given up."),
    json: bool = JsonOption,
) -> None:
    """What waits to be done, and what was given up; the oldest 1000."""

    async def job(app: App) -> None:
        show_all([_shown(row) for row in await app.outbox.rows() if row.given_up or not given_up], COLUMNS, json)

    with_app(job)


@command.command()
@told
def retry(
    ids: list[int] = typer.Argument(None, metavar="[ID...]"),
    given_up: bool = typer.Option(False, help="All that were given up."),
) -> None:
    """Have rows done now; the running service does them."""
    if bool(ids) == given_up:
        raise BadInput("say which rows: ids of 'ivr outbox list', or --given-up")

    async def job(app: App) -> None:
        typer.echo(f"{await app.outbox.retry(ids or None)} will be done now")

    with_app(job)


@command.command()
@told
def drop(ids: list[int] = typer.Argument(metavar="ID...")) -> None:
    """Take rows away undone: a mail that nobody wants any more, a webhook that is gone."""

    async def job(app: App) -> None:
        typer.echo(f"{await app.outbox.drop(ids)} dropped")

    with_app(job)


def _shown(row: Row) -> dict[str, Any]:
    due = "given up" if row.given_up else f"{datetime.fromtimestamp(row.due_at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return {
        "id": row.id, "kind": row.kind, "about": row.about, "due": due, "attempts": row.attempts, "error": row.error,
        "box": row.box_id, "message": row.message_id,
    }  # fmt: skip
