"""`ivr box`."""

from __future__ import annotations

import sys
from typing import Any

import typer

from ivr.app import App
from ivr.cli.edge import AccountOption, JsonOption, changes, show, show_all, the_account, told, with_app
from ivr.errors import NotFound
from ivr.mailbox.boxes import public
from ivr.mailbox.mailbox import Mailbox

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["mailbox", "name", "owner", "new", "saved", "deleted", "id"]


@command.command()
@told
def create(
    number: str,
    words: list[str] = typer.Argument(None, metavar="[KEY=VALUE...]"),
    name: str | None = typer.Option(None, help="A friendly name; else the owner's or the number."),
    owner: str | None = typer.Option(None, help="Name or id of the user that it belongs to."),
    pin: str | None = typer.Option(None, help="4 to 6 digits; - reads them from standard input."),
    account: str | None = AccountOption,
    json: bool = JsonOption,
) -> None:
    """Make a box: any key of docs/settings.md as key=value."""

    async def job(app: App) -> None:
        where = await the_account(app, account)
        document = {"mailbox": number, "name": name or owner or number, **changes(words or [])}
        if owner:
            document["owner_id"] = (await app.directory.user_called(where.id, owner)).id
        if pin is not None:
            document["pin"] = sys.stdin.readline().strip() if pin == "-" else pin
        show(await _shown(app, await app.boxes.create(where, document)), json)

    with_app(job)


@command.command("list")
@told
def list_all(account: str | None = AccountOption, json: bool = JsonOption) -> None:
    """All boxes of an account, with the messages in each folder."""

    async def job(app: App) -> None:
        where = await the_account(app, account)
        show_all([await _row(app, box) for box in await app.boxes.of_account(where.id)], COLUMNS, json)

    with_app(job)


@command.command("show")
@told
def show_one(number: str, account: str | None = AccountOption, json: bool = JsonOption) -> None:
    """One box with all its settings. Its PIN is never shown."""

    async def job(app: App) -> None:
        show(await _shown(app, await the_box(app, account, number)), json)

    with_app(job)


@command.command("set")
@told
def set_some(
    number: str,
    words: list[str] = typer.Argument(metavar="KEY=VALUE..."),
    account: str | None = AccountOption,
    json: bool = JsonOption,
) -> None:
    """Change a box: require_pin=true, notify.callback.number=5550100, pin=2468; null takes a key away."""

    async def job(app: App) -> None:
        box = await the_box(app, account, number)
        show(await _shown(app, await app.boxes.patch(box, changes(words))), json)

    with_app(job)


@command.command()
@told
def unlock(number: str, account: str | None = AccountOption) -> None:
    """Open a box that wrong PINs have locked."""

    async def job(app: App) -> None:
        box = await the_box(app, account, number)
        await app.failures.clear(box.account_id, box.id)

    with_app(job)


@command.command()
@told
def delete(number: str, account: str | None = AccountOption) -> None:
    """Take away a box with all its messages."""

    async def job(app: App) -> None:
        await app.boxes.delete(await the_box(app, account, number))

    with_app(job)


async def the_box(app: App, account: str | None, number: str) -> Mailbox:
    """The box with that number, alias or id. Raises `NotFound`."""
    where = await the_account(app, account)
    found = await app.boxes.by_number(where.id, number)
    if found is None and len(number) == 32:
        found = await app.boxes.get(number)
    if found is None or found.account_id != where.id:
        raise NotFound(f"there is no box {number!r} in account {where.name!r}: see 'ivr box list'")
    return found


async def _shown(app: App, box: Mailbox) -> dict[str, Any]:
    locked_until = await app.failures.locked_until(box.account_id, box.id)
    has_pin = await app.secrets.exists(box.account_id, box.pin_ref)
    return {"id": box.id, **public(box.settings), "has_pin": has_pin, "locked_until": locked_until or None}


async def _row(app: App, box: Mailbox) -> dict[str, Any]:
    counts = await app.messages.counts(box.id)
    return {
        "mailbox": box.number, "name": box.settings.name, "owner": box.owner.name if box.owner else None,
        "new": counts.new, "saved": counts.saved, "deleted": counts.deleted, "id": box.id,
    }  # fmt: skip
