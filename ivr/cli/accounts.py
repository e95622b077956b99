"""`ivr account`."""

from __future__ import annotations

import typer

from ivr.app import App
from ivr.cli.support import JsonOption, exit_on_error, parse_assignments, print_document, print_table, run_with_app
from ivr.directory.models import Account
from ivr.mailbox.validation import report_violations

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["name", "realm", "language", "timezone", "id"]


@command.command()
@exit_on_error
def create(
    name: str,
    realm: str | None = typer.Option(None, help="What stands behind the @ of addresses; else the name."),
    language: str = typer.Option("en", help="Language of the prompts."),
    timezone: str = typer.Option("UTC", help="Such as Europe/Berlin."),
    as_json: bool = JsonOption,
) -> None:
    """Make an account."""

    async def job(app: App) -> None:
        account = _validate({"name": name, "realm": realm, "language": language, "timezone": timezone})
        created = await app.directory.create_account(account)
        print_document(created.model_dump(), as_json)
        typer.echo(await _outside_calls_hint(app, created), err=True)

    run_with_app(job)


@command.command("list")
@exit_on_error
def list_all(as_json: bool = JsonOption) -> None:
    """All accounts."""

    async def job(app: App) -> None:
        print_table([account.model_dump() for account in await app.directory.accounts()], COLUMNS, as_json)

    run_with_app(job)


@command.command("show")
@exit_on_error
def show(name: str, as_json: bool = JsonOption) -> None:
    """One account."""

    async def job(app: App) -> None:
        print_document((await app.directory.find_account_by_name(name)).model_dump(), as_json)

    run_with_app(job)


@command.command("set")
@exit_on_error
def update(
    name: str, assignments: list[str] = typer.Argument(metavar="KEY=VALUE..."), as_json: bool = JsonOption
) -> None:
    """Change an account: realm=…, timezone=…, settings.max_message_count=50; null takes a setting away."""

    async def job(app: App) -> None:
        account = await app.directory.find_account_by_name(name)
        document = account.model_dump()
        for key, value in parse_assignments(assignments).items():
            document[key] = merge_value(document.get(key), value)
        changed = _validate(document)
        with report_violations():
            app.voicemail_services.system_settings.merged_with(changed.settings)
        print_document((await app.directory.update_account(changed)).model_dump(), as_json)

    run_with_app(job)


@command.command()
@exit_on_error
def delete(name: str) -> None:
    """Take away an account that has no users and boxes any more."""

    async def job(app: App) -> None:
        await app.directory.delete_account((await app.directory.find_account_by_name(name)).id)

    run_with_app(job)


def merge_value(before: object, value: object) -> object:
    if not isinstance(value, dict) or not isinstance(before, dict):
        return value
    return {key: kept for key, kept in {**before, **value}.items() if kept is not None}


def _validate(document: dict[str, object]) -> Account:
    with report_violations():
        return Account.model_validate(document)


async def _outside_calls_hint(app: App, created: Account) -> str:
    """Return which account calls of trunks and unlisted phones belong to, and what to do about it."""
    accounts = await app.directory.accounts()
    if len(accounts) == 1:
        return f"Calls from outside belong to {created.name}: it is the only account."
    return (
        "There are several accounts, so that calls from trunks and unlisted phones belong to none by themselves. "
        "In the context of the trunk, in front of Gosub(ivr-leave,...) and the like:\n"
        f" same => n,Set(IVR_ACCOUNT={created.name})\n"
        f"or name the account with the mailbox: 1000@{created.name}"
    )
