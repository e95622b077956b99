"""`ivr user`."""

from __future__ import annotations

import sys

import typer

from ivr.app import App
from ivr.cli.accounts import merge_value
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
from ivr.directory.models import User
from ivr.errors import BadInput
from ivr.mailbox.validation import report_violations

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["name", "email", "language", "timezone", "id"]


@command.command()
@exit_on_error
def create(
    name: str,
    account: str | None = AccountOption,
    assignments: list[str] = typer.Argument(None, metavar="[KEY=VALUE...]"),
    as_json: bool = JsonOption,
) -> None:
    """Make a user: email=…, language=…, timezone=…"""

    async def job(app: App) -> None:
        where = await resolve_account(app, account)
        user = _validate({**parse_assignments(assignments or []), "name": name, "account_id": where.id})
        print_document((await app.directory.create_user(user)).model_dump(), as_json)

    run_with_app(job)


@command.command("list")
@exit_on_error
def list_all(account: str | None = AccountOption, as_json: bool = JsonOption) -> None:
    """All users of an account."""

    async def job(app: App) -> None:
        where = await resolve_account(app, account)
        print_table([user.model_dump() for user in await app.directory.users(where.id)], COLUMNS, as_json)

    run_with_app(job)


@command.command("show")
@exit_on_error
def show(name: str, account: str | None = AccountOption, as_json: bool = JsonOption) -> None:
    """One user."""

    async def job(app: App) -> None:
        user = await app.directory.find_user_by_name((await resolve_account(app, account)).id, name)
        print_document(user.model_dump(), as_json)

    run_with_app(job)


@command.command("set")
@exit_on_error
def update(
    name: str,
    assignments: list[str] = typer.Argument(None, metavar="[KEY=VALUE...]"),
    username: str | None = typer.Option(None, help="By which they sign in to the REST API; with --password."),
    password: str | None = typer.Option(None, help="8 characters at least; - reads it from standard input."),
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """Change a user: email=…, timezone=…; voicemail_id=NUMBER makes a box the user's default."""

    async def job(app: App) -> None:
        where = await resolve_account(app, account)
        user = await app.directory.find_user_by_name(where.id, name)
        if username is not None or password is not None:
            await _set_credentials(app, user, username, password)
            user = await app.directory.user(user.id)
        document = user.model_dump()
        for key, value in parse_assignments(assignments or []).items():
            document[key] = merge_value(document.get(key), value)
        default = document.get("voicemail_id")
        if default is not None and (box := await app.boxes.find_by_number(where.id, str(default))):
            document["voicemail_id"] = box.id
        print_document((await app.directory.update_user(_validate(document))).model_dump(), as_json)

    run_with_app(job)


@command.command()
@exit_on_error
def delete(name: str, account: str | None = AccountOption) -> None:
    """Take away a user; their phones are nobody's then, their boxes stay."""

    async def job(app: App) -> None:
        await app.directory.delete_user(
            (await app.directory.find_user_by_name((await resolve_account(app, account)).id, name)).id
        )

    run_with_app(job)


async def _set_credentials(app: App, user: User, username: str | None, password: str | None) -> None:
    name = username or user.username
    if password is None or not name:
        raise BadInput("give both --username and --password: one is no use without the other")
    given = sys.stdin.readline().strip() if password == "-" else password
    await app.credentials.set(user, name, given)
    await app.tokens.revoke_logins(user.account_id, user.id)


def _validate(document: dict[str, object]) -> User:
    with report_violations():
        return User.model_validate(document)
