"""`ivr account`."""

from __future__ import annotations

import typer

from ivr.app import App
from ivr.cli.audit import record_command
from ivr.cli.support import (
    ForceOption,
    JsonOption,
    YesOption,
    confirm,
    echo,
    print_document,
    print_table,
    with_app,
    with_new_app,
)
from ivr.directory.models import Account
from ivr.mailbox.box_settings import report_violations
from ivr.mailbox.text_values import merge_value, parse_assignments, reject_assigned_keys, reject_unknown_settings
from ivr.storage.records import AuditAction
from ivr.validation.public_addresses import AllowedAddresses

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["name", "realm", "language", "timezone", "id"]

NameArgument = typer.Argument(help="Name, realm or id of the account.")


@command.command("create")
@with_new_app
async def create(
    app: App,
    name: str = typer.Argument(help="Name of the account, unique in the installation."),
    realm: str | None = typer.Option(None, help="What follows the @ in addresses. Default: the name."),
    language: str = typer.Option("en", help="Language of the prompts."),
    timezone: str = typer.Option("UTC", help="Time zone in which times are spoken, such as Europe/Berlin."),
    as_json: bool = JsonOption,
) -> None:
    """Create an account."""
    account = _validate({"name": name, "realm": realm, "language": language, "timezone": timezone})
    created = await app.directory.create_account(account)
    await record_command(app, AuditAction.SETTINGS_CHANGED, created.id, ["account created"])
    print_document(created.model_dump(), as_json)
    echo(await _outside_calls_hint(app, created), err=True)


@command.command("list")
@with_app
async def list_all(app: App, as_json: bool = JsonOption) -> None:
    """List all accounts."""
    print_table([account.model_dump() for account in await app.directory.accounts()], COLUMNS, as_json)


@command.command("show")
@with_app
async def show(app: App, name: str = NameArgument, as_json: bool = JsonOption) -> None:
    """Show an account with its settings."""
    print_document((await app.directory.find_account_by_name(name)).model_dump(), as_json)


@command.command("set")
@with_app
async def update(
    app: App,
    name: str = NameArgument,
    assignments: list[str] = typer.Argument(metavar="KEY=VALUE...", help="Keys to change, with their new values."),
    force: bool = ForceOption,
    as_json: bool = JsonOption,
) -> None:
    """Change an account.

    Examples: timezone=Europe/Berlin, settings.max_message_count=50. The value null removes a setting.
    """
    account = await app.directory.find_account_by_name(name)
    document = account.model_dump()
    changes = parse_assignments(assignments)
    reject_assigned_keys(changes)
    if not force:
        reject_unknown_settings(changes, Account)
    for key, value in changes.items():
        document[key] = merge_value(document.get(key), value)
    with report_violations():
        changed = app.boxes.validated_account(_validate(document))
    if changed.webhook_url and changed.webhook_url != account.webhook_url:
        AllowedAddresses(app.settings.notifications.webhook_networks).reject_private_url(changed.webhook_url)
    updated = await app.directory.update_account(changed)
    await record_command(app, AuditAction.SETTINGS_CHANGED, account.id, [", ".join(sorted(changes))])
    print_document(updated.model_dump(), as_json)


@command.command("unlock")
@with_app
async def unlock(app: App, name: str = NameArgument) -> None:
    """Unlock an account that is locked after too many wrong PINs within an hour."""
    account = await app.directory.find_account_by_name(name)
    await app.pin_lockout.reset_account(account.id)
    await record_command(app, AuditAction.UNLOCKED, account.id)
    echo(f"account {account.name} is unlocked; its wrong PINs are counted from 0 again")


@command.command("delete")
@with_app
async def delete(app: App, name: str = NameArgument, yes: bool = YesOption) -> None:
    """Delete an account that has neither users nor boxes."""
    account = await app.directory.find_account_by_name(name)
    confirm(f"Delete account {account.name}?", assume_yes=yes)
    await app.directory.delete_account(account.id)
    await record_command(app, AuditAction.DELETED, account.id, ["account"])
    echo(f"account {account.name} is deleted")


def _validate(document: dict[str, object]) -> Account:
    with report_violations():
        return Account.model_validate(document)


async def _outside_calls_hint(app: App, created: Account) -> str:
    """Return which account calls of trunks and unlisted phones belong to, and what to do about it."""
    accounts = await app.directory.accounts()
    if len(accounts) == 1:
        return f"Calls from outside belong to {created.name}: it is the only account."
    return (
        "There are several accounts, so calls from trunks and from unlisted phones belong to none of them. "
        "Name the account in the context of the trunk, before Gosub(ivr-leave,...) and the like:\n"
        f" same => n,Set(IVR_ACCOUNT={created.name})\n"
        f"or name it with the mailbox: 1000@{created.name}"
    )
