"""`ivr outbox`: mail, message lights, calls and webhooks that are still to be processed."""

from __future__ import annotations

from typing import Any

import typer

from ivr.app import App
from ivr.cli.audit import record_for_all_accounts
from ivr.cli.support import JsonOption, YesOption, confirm, echo, format_time, print_table, with_app
from ivr.errors import BadInput
from ivr.storage.records import AuditAction, OutboxTask

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["id", "kind", "target", "due", "attempts", "error", "box", "message"]


@command.command("list")
@with_app
async def list_all(
    app: App,
    given_up: bool = typer.Option(False, help="List only tasks that are no longer retried."),
    as_json: bool = JsonOption,
) -> None:
    """List the oldest 1000 tasks.

    These are the tasks that wait, and those that are no longer retried ("given up").
    """
    tasks = await app.outbox.list_tasks(given_up_only=given_up)
    print_table([_task_row(task) for task in tasks], COLUMNS, as_json)


@command.command("retry")
@with_app
async def retry(
    app: App,
    ids: list[int] = typer.Argument(None, metavar="[ID...]", help="Ids of tasks, as 'ivr outbox list' shows them."),
    given_up: bool = typer.Option(False, help="Retry all tasks that are no longer retried."),
) -> None:
    """Make tasks due now. The running service processes them."""
    if bool(ids) == given_up:
        raise BadInput("no tasks are named: give ids of 'ivr outbox list', or --given-up")
    count = await app.outbox.retry(ids or None)
    if count:
        named = ", ".join(map(str, ids)) if ids else "all given up"
        await record_for_all_accounts(app, AuditAction.MAINTAINED, f"tasks retried: {named}")
    echo(f"{count} tasks are due now")


@command.command("drop")
@with_app
async def drop(
    app: App,
    ids: list[int] = typer.Argument(metavar="ID...", help="Ids of tasks, as 'ivr outbox list' shows them."),
    yes: bool = YesOption,
) -> None:
    """Delete tasks without processing them.

    For example a mail to an address that no longer exists.
    """
    numbers = ", ".join(map(str, ids))
    confirm(f"Delete the tasks {numbers} without processing them?", assume_yes=yes)
    count = await app.outbox.delete(ids)
    if count:
        await record_for_all_accounts(app, AuditAction.MAINTAINED, f"tasks dropped: {numbers}")
    echo(f"{count} tasks deleted")


def _task_row(task: OutboxTask) -> dict[str, Any]:
    due = "given up" if task.is_given_up else format_time(task.due_at)
    return {
        "id": task.id,
        "kind": task.kind,
        "target": task.target,
        "due": due,
        "attempts": task.attempts,
        "error": task.error,
        "box": task.box_id,
        "message": task.message_id,
    }
