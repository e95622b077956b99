"""`ivr endpoint`: which phone belongs to which user."""

from __future__ import annotations

import typer

from ivr.app import App
from ivr.cli.audit import record_command, record_user
from ivr.cli.support import (
    AccountOption,
    JsonOption,
    YesOption,
    confirm,
    echo,
    print_document,
    print_table,
    resolve_account,
    with_app,
)
from ivr.directory.models import Endpoint
from ivr.errors import NotFound
from ivr.mailbox.box_settings import report_violations
from ivr.storage.records import AuditAction

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["name", "user", "account", "system"]

NameArgument = typer.Argument(help="Name of the PJSIP endpoint, as in pjsip.conf.")
SystemOption = typer.Option(None, "--system", help="Name of the Asterisk. Default: asterisk.system_name.")


@command.command("add")
@with_app
async def add(
    app: App,
    name: str = NameArgument,
    user: str = typer.Argument(help="Name or id of the user."),
    account: str | None = AccountOption,
    system: str | None = SystemOption,
) -> None:
    """Assign a phone to a user.

    It then opens the boxes of the user. It must authenticate (auth= in pjsip.conf).
    """
    owner = await app.directory.find_user_by_name((await resolve_account(app, account)).id, user)
    with report_violations():
        endpoint = Endpoint(
            system=system or app.settings.asterisk.system_name,
            name=name,
            account_id=owner.account_id,
            user_id=owner.id,
        )
    await app.directory.add_endpoint(endpoint)
    await record_user(app, owner, ["phones"])
    where = f" on the Asterisk {system}" if system else ""
    echo(f"phone {endpoint.name}{where} belongs to {owner.name}")


@command.command("secret")
@with_app
async def secret(app: App, name: str = NameArgument, as_json: bool = JsonOption) -> None:
    """Create the secret with which a desk phone opens its screens, in place of an earlier one.

    The phone then lists the messages of its user. The secret is shown only once; removing the phone ends it.
    """
    owner = await app.directory.user_of_endpoint(app.settings.asterisk.system_name, name)
    if owner is None:
        raise NotFound(f"phone {name} belongs to no user: add it first, with 'ivr endpoint add {name} USER'")
    text, token = await app.tokens.create_phone_secret(owner.account_id, owner.id, name)
    await record_command(app, AuditAction.TOKEN_CREATED, owner.account_id, [token.id])
    print_document({"phone": name, "user": owner.name, "secret": text}, as_json)


@command.command("list")
@with_app
async def list_all(app: App, account: str | None = AccountOption, as_json: bool = JsonOption) -> None:
    """List the phones of all accounts, or of one."""
    account_id = (await app.directory.find_account_by_name(account)).id if account else None
    rows = []
    for endpoint in await app.directory.endpoints(account_id):
        user = await app.directory.user(endpoint.user_id)
        owner_account = await app.directory.account(endpoint.account_id)
        rows.append({**endpoint.model_dump(), "user": user.name, "account": owner_account.name})
    print_table(rows, COLUMNS, as_json)


@command.command("remove")
@with_app
async def remove(app: App, name: str = NameArgument, system: str | None = SystemOption, yes: bool = YesOption) -> None:
    """Remove the assignment of a phone to its user.

    Its mailboxes then ask for their PIN, and its message light is no longer updated.
    """
    confirm(f"Remove the assignment of phone {name}?", assume_yes=yes)
    system = system or app.settings.asterisk.system_name
    owner = await app.directory.user_of_endpoint(system, name)
    await app.directory.remove_endpoint(system, name)
    if owner:
        await record_user(app, owner, ["phones"])
    echo(f"phone {name} is no longer assigned")
