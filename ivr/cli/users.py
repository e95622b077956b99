"""`ivr user`."""

from __future__ import annotations

import sys

import typer

from ivr.app import App
from ivr.cli.accounts import merged
from ivr.cli.edge import AccountOption, JsonOption, changes, show, show_all, the_account, told, with_app
from ivr.directory.people import User
from ivr.errors import BadInput
from ivr.mailbox.violations import refusing_fields

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["name", "email", "language", "timezone", "id"]


@command.command()
@told
def create(
    name: str,
    account: str | None = AccountOption,
    words: list[str] = typer.Argument(None, metavar="[KEY=VALUE...]"),
    json: bool = JsonOption,
) -> None:
    """Make a user: email=…, language=…, timezone=…"""

    async def job(app: App) -> None:
        where = await the_account(app, account)
        user = _checked({**changes(words or []), "name": name, "account_id": where.id})
        show((await app.directory.create_user(user)).model_dump(), json)

    with_app(job)


@command.command("list")
@told
def list_all(account: str | None = AccountOption, json: bool = JsonOption) -> None:
    """All users of an account."""

    async def job(app: App) -> None:
        where = await the_account(app, account)
        show_all([user.model_dump() for user in await app.directory.users(where.id)], COLUMNS, json)

    with_app(job)


@command.command("show")
@told
def show_one(name: str, account: str | None = AccountOption, json: bool = JsonOption) -> None:
    """One user."""

    async def job(app: App) -> None:
        user = await app.directory.user_called((await the_account(app, account)).id, name)
        show(user.model_dump(), json)

    with_app(job)


@command.command("set")
@told
def set_some(
    name: str,
    words: list[str] = typer.Argument(None, metavar="[KEY=VALUE...]"),
    username: str | None = typer.Option(None, help="By which they sign in to the REST API; with --password."),
    password: str | None = typer.Option(None, help="8 characters at least; - reads it from standard input."),
    account: str | None = AccountOption,
    json: bool = JsonOption,
) -> None:
    """Change a user: email=…, timezone=…; voicemail_id=NUMBER makes a box the user's default."""

    async def job(app: App) -> None:
        where = await the_account(app, account)
        user = await app.directory.user_called(where.id, name)
        if username is not None or password is not None:
            await _sign_in_by(app, user, username, password)
            user = await app.directory.user(user.id)
        document = user.model_dump()
        for key, value in changes(words or []).items():
            document[key] = merged(document.get(key), value)
        default = document.get("voicemail_id")
        if default is not None and (box := await app.boxes.by_number(where.id, str(default))):
            document["voicemail_id"] = box.id
        show((await app.directory.update_user(_checked(document))).model_dump(), json)

    with_app(job)


@command.command()
@told
def delete(name: str, account: str | None = AccountOption) -> None:
    """Take away a user; their phones are nobody's then, their boxes stay."""

    async def job(app: App) -> None:
        await app.directory.delete_user(
            (await app.directory.user_called((await the_account(app, account)).id, name)).id
        )

    with_app(job)


async def _sign_in_by(app: App, user: User, username: str | None, password: str | None) -> None:
    name = username or user.username
    if password is None or not name:
        raise BadInput("give both --username and --password: one is no use without the other")
    given = sys.stdin.readline().strip() if password == "-" else password
    await app.credentials.set(user, name, given)
    await app.tokens.end_sessions(user.account_id, user.id)


def _checked(document: dict[str, object]) -> User:
    with refusing_fields():
        return User.model_validate(document)
