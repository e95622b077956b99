"""`ivr box`."""

from __future__ import annotations

import sys
from typing import Any

import typer

from ivr.app import App
from ivr.cli.support import (
    AccountOption,
    JsonOption,
    exit_on_error,
    parse_assignments,
    print_document,
    print_table,
    resolve_account,
    run_with_app,
)
from ivr.errors import NotFound
from ivr.mailbox.boxes import to_document
from ivr.mailbox.mailbox import Mailbox

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["mailbox", "name", "owner", "new", "saved", "deleted", "id"]


@command.command()
@exit_on_error
def create(
    number: str,
    assignments: list[str] = typer.Argument(None, metavar="[KEY=VALUE...]"),
    name: str | None = typer.Option(None, help="A friendly name; else the owner's or the number."),
    owner: str | None = typer.Option(None, help="Name or id of the user that it belongs to."),
    pin: str | None = typer.Option(None, help="4 to 6 digits; - reads them from standard input."),
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Make a box: any key of docs/settings.md as key=value."""

    async def job(app: App) -> None:
        where = await resolve_account(app, account)
        document = {"mailbox": number, "name": name or owner or number, **parse_assignments(assignments or [])}
        if owner:
            document["owner_id"] = (await app.directory.find_user_by_name(where.id, owner)).id
        if pin is not None:
            document["pin"] = sys.stdin.readline().strip() if pin == "-" else pin
        print_document(await _box_document(app, await app.boxes.create(where, document)), as_json)

    run_with_app(job)


@command.command("list")
@exit_on_error
def list_all(account: str | None = AccountOption, as_json: bool = JsonOption) -> None:
    """All boxes of an account, with the messages in each folder."""

    async def job(app: App) -> None:
        where = await resolve_account(app, account)
        print_table([await _box_row(app, box) for box in await app.boxes.list_by_account(where.id)], COLUMNS, as_json)

    run_with_app(job)


@command.command("show")
@exit_on_error
def show(number: str, account: str | None = AccountOption, as_json: bool = JsonOption) -> None:
    """One box with all its settings. Its PIN is never shown."""

    async def job(app: App) -> None:
        print_document(await _box_document(app, await resolve_box(app, account, number)), as_json)

    run_with_app(job)


@command.command("set")
@exit_on_error
def update(
    number: str,
    assignments: list[str] = typer.Argument(metavar="KEY=VALUE..."),
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Change a box: require_pin=true, notify.callback.number=5550100, pin=2468; null takes a key away."""

    async def job(app: App) -> None:
        box = await resolve_box(app, account, number)
        print_document(await _box_document(app, await app.boxes.patch(box, parse_assignments(assignments))), as_json)

    run_with_app(job)


@command.command()
@exit_on_error
def unlock(number: str, account: str | None = AccountOption) -> None:
    """Open a box that wrong PINs have locked."""

    async def job(app: App) -> None:
        box = await resolve_box(app, account, number)
        await app.pin_lockout.reset(box.account_id, box.id)

    run_with_app(job)


@command.command()
@exit_on_error
def delete(number: str, account: str | None = AccountOption) -> None:
    """Take away a box with all its messages."""

    async def job(app: App) -> None:
        await app.boxes.delete(await resolve_box(app, account, number))

    run_with_app(job)


async def resolve_box(app: App, account: str | None, number: str) -> Mailbox:
    """The box with that number, alias or id. Raises `NotFound`."""
    where = await resolve_account(app, account)
    found = await app.boxes.find_by_number(where.id, number)
    if found is None and len(number) == 32:
        found = await app.boxes.get(number)
    if found is None or found.account_id != where.id:
        raise NotFound(f"there is no box {number!r} in account {where.name!r}: see 'ivr box list'")
    return found


async def _box_document(app: App, box: Mailbox) -> dict[str, Any]:
    locked_until = await app.pin_lockout.locked_until(box.account_id, box.id)
    has_pin = await app.secret_store.exists(box.account_id, box.pin_secret_ref)
    return {"id": box.id, **to_document(box.settings), "has_pin": has_pin, "locked_until": locked_until or None}


async def _box_row(app: App, box: Mailbox) -> dict[str, Any]:
    counts = await app.messages.counts(box.id)
    return {
        "mailbox": box.number,
        "name": box.settings.name,
        "owner": box.owner.name if box.owner else None,
        "new": counts.new,
        "saved": counts.saved,
        "deleted": counts.deleted,
        "id": box.id,
    }
