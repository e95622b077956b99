"""`ivr outbox`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import typer

from ivr.app import App
from ivr.cli.support import JsonOption, exit_on_error, print_table, run_with_app
from ivr.errors import BadInput
from ivr.storage.records import OutboxTask

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["id", "kind", "about", "due", "attempts", "error", "box", "message"]


@command.command("list")
@exit_on_error
def list_all(
    given_up: bool = typer.Option(False, help="Only what was given up."),
    as_json: bool = JsonOption,
) -> None:
    """What waits to be done, and what was given up; the oldest 1000."""

    async def job(app: App) -> None:
        print_table(
            [_task_row(row) for row in await app.outbox.list_tasks() if row.is_given_up or not given_up],
            COLUMNS,
            as_json,
        )

    run_with_app(job)


@command.command()
@exit_on_error
def retry(
    ids: list[int] = typer.Argument(None, metavar="[ID...]"),
    given_up: bool = typer.Option(False, help="All that were given up."),
) -> None:
    """Have rows done now; the running service does them."""
    if bool(ids) == given_up:
        raise BadInput("say which rows: ids of 'ivr outbox list', or --given-up")

    async def job(app: App) -> None:
        typer.echo(f"{await app.outbox.retry(ids or None)} will be done now")

    run_with_app(job)


@command.command()
@exit_on_error
def drop(ids: list[int] = typer.Argument(metavar="ID...")) -> None:
    """Take rows away undone: a mail that nobody wants any more, a webhook that is gone."""

    async def job(app: App) -> None:
        typer.echo(f"{await app.outbox.delete(ids)} dropped")

    run_with_app(job)


def _task_row(row: OutboxTask) -> dict[str, Any]:
    due = "given up" if row.is_given_up else f"{datetime.fromtimestamp(row.due_at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return {
        "id": row.id,
        "kind": row.kind,
        "about": row.target,
        "due": due,
        "attempts": row.attempts,
        "error": row.error,
        "box": row.box_id,
        "message": row.message_id,
    }
