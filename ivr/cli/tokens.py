"""`ivr token`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import typer

from ivr.app import App
from ivr.cli.support import (
    AccountOption,
    JsonOption,
    exit_on_error,
    print_document,
    print_table,
    resolve_account,
    run_with_app,
)
from ivr.directory.tokens import DAY_S
from ivr.storage.records import Token

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["id", "label", "user", "created", "expires"]


@command.command()
@exit_on_error
def create(
    account: str | None = AccountOption,
    user: str | None = typer.Option(None, help="Name or id: only this user's boxes. None: the whole account."),
    days: int | None = typer.Option(None, min=1, max=36_500, help="How long it holds; none: until it is revoked."),
    label: str = typer.Option("", help="What it is for."),
    as_json: bool = JsonOption,
) -> None:
    """Make a token for programs; it is shown this once."""

    async def job(app: App) -> None:
        where = await resolve_account(app, account)
        who = (await app.directory.find_user_by_name(where.id, user)).id if user else None
        lasts_s = days * DAY_S if days else None
        text, token = await app.tokens.create(where.id, who, label, lifetime_s=lasts_s)
        print_document({"token": text, "account_id": where.id, **_token_document(token)}, as_json)

    run_with_app(job)


@command.command("list")
@exit_on_error
def list_all(account: str | None = AccountOption, as_json: bool = JsonOption) -> None:
    """All tokens of an account that hold."""

    async def job(app: App) -> None:
        where = await resolve_account(app, account)
        print_table([_token_document(token) for token in await app.tokens.list_api_keys(where.id)], COLUMNS, as_json)

    run_with_app(job)


@command.command()
@exit_on_error
def revoke(token: str, account: str | None = AccountOption) -> None:
    """End a token, by its id or the beginning of it, and all sessions that were opened with it."""

    async def job(app: App) -> None:
        await app.tokens.revoke((await resolve_account(app, account)).id, token)

    run_with_app(job)


def _token_document(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "label": token.label,
        "user": token.user_id,
        "created": _format_time(token.created_at),
        "expires": _format_time(token.expires_at) if token.expires_at else None,
    }


def _format_time(timestamp: int) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M:%S}"
