"""`ivr endpoint`: whose phone is whose."""

from __future__ import annotations

import typer

from ivr.app import App
from ivr.cli.support import AccountOption, JsonOption, exit_on_error, print_table, resolve_account, run_with_app
from ivr.directory.models import Endpoint

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["name", "user", "account", "system"]

SystemOption = typer.Option(None, "--system", help="Which Asterisk; else the one of the settings.")


@command.command()
@exit_on_error
def add(name: str, user: str, account: str | None = AccountOption, system: str | None = SystemOption) -> None:
    """The PJSIP endpoint NAME is USER's phone. It must authenticate (`auth=` in pjsip.conf)."""

    async def job(app: App) -> None:
        owner = await app.directory.find_user_by_name((await resolve_account(app, account)).id, user)
        which = system or app.settings.asterisk.system_name
        await app.directory.add_endpoint(
            Endpoint(system=which, name=name, account_id=owner.account_id, user_id=owner.id)
        )

    run_with_app(job)


@command.command("list")
@exit_on_error
def list_all(account: str | None = AccountOption, as_json: bool = JsonOption) -> None:
    """All phones, or those of one account."""

    async def job(app: App) -> None:
        where = (await app.directory.find_account_by_name(account)).id if account else None
        rows = []
        for endpoint in await app.directory.endpoints(where):
            user = await app.directory.user(endpoint.user_id)
            at = await app.directory.account(endpoint.account_id)
            rows.append({**endpoint.model_dump(), "user": user.name, "account": at.name})
        print_table(rows, COLUMNS, as_json)

    run_with_app(job)


@command.command()
@exit_on_error
def remove(name: str, system: str | None = SystemOption) -> None:
    """The endpoint NAME is nobody's phone any more."""

    async def job(app: App) -> None:
        await app.directory.remove_endpoint(system or app.settings.asterisk.system_name, name)

    run_with_app(job)
