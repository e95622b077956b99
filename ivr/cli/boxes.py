"""`ivr box`."""

from __future__ import annotations

import sys
from typing import Any

import typer

from ivr.app import App
from ivr.cli.audit import record_command
from ivr.cli.support import (
    AccountOption,
    ForceOption,
    JsonOption,
    YesOption,
    confirm,
    echo,
    format_time,
    print_document,
    print_table,
    read_line,
    resolve_account,
    with_app,
)
from ivr.directory.models import Account
from ivr.errors import BadInput, NotFound
from ivr.mailbox.box_settings import ID_LENGTH, BoxSettings
from ivr.mailbox.boxes import to_document
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.pins import generate_pin
from ivr.mailbox.text_values import parse_assignments, reject_unknown_keys
from ivr.storage.records import MEGABYTE, AuditAction, BoxUsage

command = typer.Typer(no_args_is_help=True)
COLUMNS = [
    *("mailbox", "name", "owner", "new", "saved", "deleted"),
    *("size", "quota", "oldest", "last_sign_in", "locked", "id"),
]
SEEN_BY_OTHERS = "a PIN on the command line can be seen by others"

NumberArgument = typer.Argument(help="Number, alias or id of the box.")


@command.command("create")
@with_app
async def create(
    app: App,
    number: str = typer.Argument(help="Mailbox number, unique in the account."),
    assignments: list[str] = typer.Argument(
        None, metavar="[KEY=VALUE...]", help="Settings of the box (docs/settings.md)."
    ),
    name: str | None = typer.Option(None, help="Name of the box. Default: the owner's name, else the number."),
    owner: str | None = typer.Option(None, help="Name or id of the user who owns the box."),
    pin: str | None = typer.Option(None, help="PIN of 4 to 6 digits; - reads it from standard input."),
    force: bool = ForceOption,
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Create a box."""
    box_account = await resolve_account(app, account)
    options = {"name": name and "--name", "pin": pin and "--pin", "owner_id": owner and "--owner"}
    given = {"mailbox": f"the argument {number}", **{key: option for key, option in options.items() if option}}
    changes = parse_assignments(assignments or [], given)
    await _check_changes(app, box_account, changes, owner, force=force)
    document = {"mailbox": number, "name": name or owner or number, **changes}
    if pin is not None:
        document["pin"] = read_line("a PIN") if pin == "-" else pin
        if pin != "-":
            echo(f"warning: {SEEN_BY_OTHERS}: use --pin -", err=True)
    box = await app.boxes.create(box_account, document)
    await record_command(app, AuditAction.SETTINGS_CHANGED, box, [", ".join(sorted({*document} - {"pin"}))])
    if pin is not None:
        await record_command(app, AuditAction.PIN_SET, box)
    print_document(await box_document(app, box), as_json)


@command.command("list")
@with_app
async def list_all(app: App, account: str | None = AccountOption, as_json: bool = JsonOption) -> None:
    """List the boxes of an account.

    The columns new, saved and deleted are the numbers of messages in these folders. size: of all messages and
    greetings; quota: how much of the quota that is. oldest: time of the oldest new or saved message. last_sign_in: by
    phone. locked: after wrong PINs ('ivr box unlock').
    """
    box_account = await resolve_account(app, account)
    usage = await app.box_usage.usage_by_account(box_account.id)
    boxes = [box for box in await app.boxes.list_by_account(box_account.id) if box.id in usage]
    print_table([await _box_row(app, box, usage[box.id]) for box in boxes], COLUMNS, as_json)


@command.command("show")
@with_app
async def show(
    app: App, number: str = NumberArgument, account: str | None = AccountOption, as_json: bool = JsonOption
) -> None:
    """Show a box with all its settings. Its PIN is never shown."""
    print_document(await box_document(app, await resolve_box(app, account, number)), as_json)


@command.command("set")
@with_app
async def update(
    app: App,
    number: str = NumberArgument,
    assignments: list[str] = typer.Argument(
        None, metavar="[KEY=VALUE...]", help="Settings to change (docs/settings.md), with their new values."
    ),
    owner: str | None = typer.Option(None, help="Name or id of the user who owns the box from now on."),
    force: bool = ForceOption,
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Change a box.

    Examples: require_pin=true, notify.callback.number=5550100. The value null removes a setting.
    """
    box = await resolve_box(app, account, number)
    changes = parse_assignments(assignments or [], {"owner_id": "--owner"} if owner else {})
    await _check_changes(app, box.account, changes, owner, force=force)
    if changes.get("pin") is not None:
        raise BadInput(f"{SEEN_BY_OTHERS}: use 'ivr box pin {number}'")
    if not changes:
        raise BadInput("nothing to change: give KEY=VALUE or --owner")
    changed = await app.boxes.patch(box, changes)
    await record_command(app, AuditAction.SETTINGS_CHANGED, changed, [", ".join(sorted(changes))])
    print_document(await box_document(app, changed), as_json)


@command.command("move")
@with_app
async def move(
    app: App,
    number: str = NumberArgument,
    owner: str = typer.Option(..., "--owner", help="Name or id of the user who owns the box from now on."),
    account: str | None = AccountOption,
) -> None:
    """Give a box, with its messages and PIN, to another user of the account."""
    box = await resolve_box(app, account, number)
    user = await app.directory.find_user_by_name(box.account_id, owner)
    former = box.owner.name if box.owner else "none"
    if user.id == box.settings.owner_id:
        echo(f"box {box.number} belongs to {user.name} already: nothing is changed")
        return
    await app.boxes.patch(box, {"owner_id": user.id})
    await record_command(app, AuditAction.SETTINGS_CHANGED, box, ["owner_id"])
    echo(f"box {box.number} belongs to {user.name} (before: {former})")


@command.command("unlock")
@with_app
async def unlock(app: App, number: str = NumberArgument, account: str | None = AccountOption) -> None:
    """Unlock a box that is locked after wrong PINs."""
    box = await resolve_box(app, account, number)
    locked_until = await app.pin_lockout.locked_until(box.account_id, box.id)
    await app.pin_lockout.reset(box.account_id, box.id)
    await record_command(app, AuditAction.UNLOCKED, box)
    before = f"before: locked until {format_time(locked_until)}" if locked_until else "it was not locked"
    echo(f"box {box.number} is unlocked ({before}); its wrong PINs are counted from 0 again")


@command.command("pin")
@with_app
async def set_pin(
    app: App,
    number: str = NumberArgument,
    generate: bool = typer.Option(False, "--generate", help="Generate the PIN and print it."),
    must_change: bool = typer.Option(
        False, "--must-change", help="Ask the owner for another one at the next sign-in; without it they keep this one."
    ),
    account: str | None = AccountOption,
) -> None:
    """Set the PIN of a box.

    The PIN is read from the terminal or from standard input, so that it is neither in the list of processes nor in the
    history of the shell. The box is unlocked.
    """
    box = await resolve_box(app, account, number)
    pin = generate_pin(box, app.random_bytes) if generate else _read_pin()
    await app.pins.set_by_administrator(box, pin)
    await record_command(app, AuditAction.PIN_SET, box)
    if must_change != box.settings.pin_must_change:
        await app.boxes.patch(box, {"pin_must_change": must_change})
    if weakness := app.pins.find_weakness(box, pin):
        echo(f"warning: this PIN is easy to guess ({weakness})", err=True)
    echo(f"the PIN of box {box.number} is {pin}" if generate else f"the PIN of box {box.number} is set")


@command.command("delete")
@with_app
async def delete(
    app: App, number: str = NumberArgument, account: str | None = AccountOption, yes: bool = YesOption
) -> None:
    """Delete a box with all its messages.

    'ivr box restore' brings it back while it is still stored (docs/settings.md).
    """
    box = await resolve_box(app, account, number)
    counts = await app.messages.counts(box.id)
    description = f"box {box.number} ({box.settings.name}) with {counts.new + counts.saved + counts.deleted} messages"
    confirm(f"Delete {description}?", assume_yes=yes)
    await app.boxes.delete(box)
    await record_command(app, AuditAction.DELETED, box)
    echo(f"{description} is deleted; 'ivr box restore {box.number}' brings it back")


@command.command("restore")
@with_app
async def restore(
    app: App,
    number: str = typer.Argument(help="Number or id of the deleted box."),
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Restore a deleted box with its messages."""
    box = await app.boxes.restore(await resolve_account(app, account), number)
    await record_command(app, AuditAction.SETTINGS_CHANGED, box, ["restored"])
    print_document(await box_document(app, box), as_json)


async def resolve_box(app: App, account: str | None, number: str) -> Mailbox:
    """Return the box with this number, alias or id. Raises `NotFound`."""
    box_account = await resolve_account(app, account)
    box = await app.boxes.find_by_number(box_account.id, number)
    if box is None and len(number) == ID_LENGTH:
        box = await app.boxes.get(number)
    if box is None or box.account_id != box_account.id:
        raise NotFound(f"there is no box {number!r} in account {box_account.name!r}: see 'ivr box list'")
    return box


def _read_pin() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("PIN", hide_input=True, confirmation_prompt=True))
    return read_line("a PIN")


async def _check_changes(
    app: App, account: Account, changes: dict[str, Any], owner: str | None, *, force: bool
) -> None:
    """Write the id of the owner into the settings to change.

    Raises `BadInput` for unknown keys, `NotFound` for an unknown owner.
    """
    if not force:
        if "owner" in changes:
            raise BadInput("unknown key owner: the owner is the option --owner NAME; --force stores it all the same")
        reject_unknown_keys(changes, BoxSettings, "pin")
    if owner:
        changes["owner_id"] = owner
    if changes.get("owner_id") is not None:
        changes["owner_id"] = (await app.directory.find_user_by_name(account.id, str(changes["owner_id"]))).id


async def box_document(app: App, box: Mailbox) -> dict[str, Any]:
    """Return a box as commands print it."""
    locked_until = await app.pin_lockout.locked_until(box.account_id, box.id)
    has_pin = await app.secret_store.exists(box.account_id, box.pin_secret_ref)
    return {"id": box.id, **to_document(box.settings), "has_pin": has_pin, "locked_until": locked_until or None}


async def _box_row(app: App, box: Mailbox, usage: BoxUsage) -> dict[str, Any]:
    locked_until = await app.pin_lockout.locked_until(box.account_id, box.id)
    percent = round(100 * usage.size_bytes / box.quota_bytes) if box.quota_bytes else None
    return {
        "mailbox": box.number,
        "name": box.settings.name,
        "owner": box.owner.name if box.owner else None,
        "new": usage.counts.new,
        "saved": usage.counts.saved,
        "deleted": usage.counts.deleted,
        "size": f"{usage.size_bytes / MEGABYTE:.1f} MB",
        "size_bytes": usage.size_bytes,
        "quota": None if percent is None else f"{percent} %",
        "quota_percent": percent,
        "oldest": format_time(usage.oldest_at) if usage.oldest_at else None,
        "last_sign_in": format_time(usage.last_sign_in_at) if usage.last_sign_in_at else None,
        "locked": f"until {format_time(locked_until)}" if locked_until else None,
        "id": box.id,
    }
