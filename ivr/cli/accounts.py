"""`ivr account`."""

from __future__ import annotations

import typer

from ivr.app import App
from ivr.cli.edge import JsonOption, changes, show, show_all, told, with_app
from ivr.directory.people import Account
from ivr.mailbox.violations import refusing_fields

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["name", "realm", "language", "timezone", "id"]


@command.command()
@told
def create(
    name: str,
    realm: str | None = typer.Option(None, help="What stands behind the @ of addresses; else the name."),
    language: str = typer.Option("en", help="Language of the prompts."),
    timezone: str = typer.Option("UTC", help="Such as Europe/Berlin."),
    json: bool = JsonOption,
) -> None:
    """Make an account."""

    async def job(app: App) -> None:
        account = _checked({"name": name, "realm": realm, "language": language, "timezone": timezone})
        show((await app.directory.create_account(account)).model_dump(), json)

    with_app(job)


@command.command("list")
@told
def list_all(json: bool = JsonOption) -> None:
    """All accounts."""

    async def job(app: App) -> None:
        show_all([account.model_dump() for account in await app.directory.accounts()], COLUMNS, json)

    with_app(job)


@command.command("show")
@told
def show_one(name: str, json: bool = JsonOption) -> None:
    """One account."""

    async def job(app: App) -> None:
        show((await app.directory.account_called(name)).model_dump(), json)

    with_app(job)


@command.command("set")
@told
def set_some(name: str, words: list[str] = typer.Argument(metavar="KEY=VALUE..."), json: bool = JsonOption) -> None:
    """Change an account: realm=…, timezone=…, settings.max_message_count=50; null takes a setting away."""

    async def job(app: App) -> None:
        account = await app.directory.account_called(name)
        document = account.model_dump()
        for key, value in changes(words).items():
            document[key] = merged(document.get(key), value)
        changed = _checked(document)
        with refusing_fields():
            app.mailroom.system.changed_by(changed.settings)
        show((await app.directory.update_account(changed)).model_dump(), json)

    with_app(job)


@command.command()
@told
def delete(name: str) -> None:
    """Take away an account that has no users and boxes any more."""

    async def job(app: App) -> None:
        await app.directory.delete_account((await app.directory.account_called(name)).id)

    with_app(job)


def merged(before: object, value: object) -> object:
    if not isinstance(value, dict) or not isinstance(before, dict):
        return value
    return {key: kept for key, kept in {**before, **value}.items() if kept is not None}


def _checked(document: dict[str, object]) -> Account:
    with refusing_fields():
        return Account.model_validate(document)
