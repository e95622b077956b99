"""`ivr user`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from ivr.app import App
from ivr.cli.audit import record_command, record_user
from ivr.cli.boxes import resolve_box
from ivr.cli.support import (
    AccountOption,
    ForceOption,
    JsonOption,
    YesOption,
    confirm,
    echo,
    print_document,
    print_table,
    read_line,
    resolve_account,
    with_app,
)
from ivr.directory.models import User
from ivr.errors import BadInput
from ivr.mailbox.box_settings import report_violations
from ivr.mailbox.text_values import merge_value, parse_assignments, reject_assigned_keys, reject_unknown_settings
from ivr.storage.records import AuditAction

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["name", "email", "language", "timezone", "id"]

NameArgument = typer.Argument(help="Name or id of the user.")


@command.command("create")
@with_app
async def create(
    app: App,
    name: str = typer.Argument(help="Name of the user, unique in the account."),
    account: str | None = AccountOption,
    assignments: list[str] = typer.Argument(
        None, metavar="[KEY=VALUE...]", help="email, language, timezone and settings of the user."
    ),
    as_json: bool = JsonOption,
) -> None:
    """Create a user.

    Example: ivr user create alice email=alice@example.com timezone=Europe/Berlin
    """
    user_account = await resolve_account(app, account)
    document = parse_assignments(assignments or [], {"name": f"the argument {name}"})
    reject_assigned_keys(document)
    reject_unknown_settings(document, User)
    document |= await _default_box(app, user_account.id, document)
    user = _validate({**document, "name": name, "account_id": user_account.id})
    created = await app.directory.create_user(user)
    await record_user(app, created, ["created"])
    print_document(created.model_dump(), as_json)


@command.command("list")
@with_app
async def list_all(app: App, account: str | None = AccountOption, as_json: bool = JsonOption) -> None:
    """List the users of an account."""
    user_account = await resolve_account(app, account)
    print_table([user.model_dump() for user in await app.directory.users(user_account.id)], COLUMNS, as_json)


@command.command("show")
@with_app
async def show(
    app: App, name: str = NameArgument, account: str | None = AccountOption, as_json: bool = JsonOption
) -> None:
    """Show a user."""
    print_document((await _find_user(app, account, name)).model_dump(), as_json)


@command.command("set")
@with_app
async def update(
    app: App,
    name: str = NameArgument,
    assignments: list[str] = typer.Argument(
        None, metavar="[KEY=VALUE...]", help="Keys to change, with their new values."
    ),
    username: str | None = typer.Option(None, help="Name to sign in to the REST API with; requires --password."),
    password: str | None = typer.Option(None, help="At least 8 characters; - reads it from standard input."),
    force: bool = ForceOption,
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Change a user.

    Examples: email=alice@example.com, timezone=Europe/Berlin. voicemail_id=NUMBER sets the default box.
    """
    user = await _find_user(app, account, name)
    changes = parse_assignments(assignments or [], {} if username is None else {"username": "--username"})
    reject_assigned_keys(changes)
    if not force:
        reject_unknown_settings(changes, User)
    if username is not None or password is not None:
        await _set_credentials(app, user, username, password)
        user = await app.directory.user(user.id)
    document = user.model_dump()
    for key, value in changes.items():
        document[key] = merge_value(document.get(key), value)
    document |= await _default_box(app, user.account_id, changes)
    updated = await app.directory.update_user(_validate(document))
    if changes:
        await record_user(app, user, changes)
    print_document(updated.model_dump(), as_json)


@command.command("delete")
@with_app
async def delete(
    app: App, name: str = NameArgument, account: str | None = AccountOption, yes: bool = YesOption
) -> None:
    """Delete a user.

    The phones of the user are no longer assigned. The boxes stay, without an owner.
    """
    user = await _find_user(app, account, name)
    phones = sum(endpoint.user_id == user.id for endpoint in await app.directory.endpoints(user.account_id))
    owner_account = await app.directory.account(user.account_id)
    boxes = ", ".join(box.number for box in await app.boxes.list_by_owner(user, owner_account)) or "none"
    effect = f"phones no longer assigned: {phones}; boxes without an owner: {boxes}"
    confirm(f"Delete user {user.name} ({effect})?", assume_yes=yes)
    await app.directory.delete_user(user.id)
    await record_command(app, AuditAction.DELETED, user.account_id, [f"user {user.id}"])
    echo(f"user {user.name} is deleted; {effect}")


async def _find_user(app: App, account: str | None, name: str) -> User:
    return await app.directory.find_user_by_name((await resolve_account(app, account)).id, name)


async def _set_credentials(app: App, user: User, username: str | None, password: str | None) -> None:
    """Set the credentials, and revoke the tokens obtained with the earlier ones. Raises `BadInput`, `Conflict`."""
    new_username = username or user.username
    if password is None or not new_username:
        raise BadInput("credentials are incomplete: give --username and --password together")
    new_password = read_line("a password") if password == "-" else password
    if password != "-":
        echo("warning: a password on the command line can be seen by others: use --password -", err=True)
    await app.credentials.set(user, new_username, new_password)
    await app.tokens.revoke_logins(user.account_id, user.id)
    await record_user(app, user, ["password", "username"])


async def _default_box(app: App, account_id: str, changes: Mapping[str, Any]) -> dict[str, str]:
    """Return the id of the box that is set as default; {} if none is. Raises `NotFound`."""
    number = changes.get("voicemail_id")
    return {} if number is None else {"voicemail_id": (await resolve_box(app, account_id, str(number))).id}


def _validate(document: dict[str, object]) -> User:
    with report_violations():
        return User.model_validate(document)
