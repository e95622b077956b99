"""`ivr token`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import typer

from ivr.app import App
from ivr.cli.edge import AccountOption, JsonOption, show, show_all, the_account, told, with_app
from ivr.directory.tokens import DAY_S, Token

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["id", "label", "user", "created", "expires"]


@command.command()
@told
def create(
    account: str | None = AccountOption,
    user: str | None = typer.Option(None, help="Name or id: only this user's boxes. None: the whole account."),
    days: int | None = typer.Option(None, min=1, max=36_500, help="How long it holds; none: until it is revoked."),
    label: str = typer.Option("", help="What it is for."),
    json: bool = JsonOption,
) -> None:
    """Make a token for programs; it is shown this once."""

    async def job(app: App) -> None:
        where = await the_account(app, account)
        who = (await app.directory.user_called(where.id, user)).id if user else None
        lasts_s = days * DAY_S if days else None
        text, token = await app.tokens.create(where.id, who, label, lasts_s=lasts_s)
        show({"token": text, "account_id": where.id, **_shown(token)}, json)

    with_app(job)


@command.command("list")
@told
def list_all(account: str | None = AccountOption, json: bool = JsonOption) -> None:
    """All tokens of an account that hold."""

    async def job(app: App) -> None:
        where = await the_account(app, account)
        show_all([_shown(token) for token in await app.tokens.of_account(where.id)], COLUMNS, json)

    with_app(job)


@command.command()
@told
def revoke(token: str, account: str | None = AccountOption) -> None:
    """End a token, by its id or the beginning of it, and all sessions that were opened with it."""

    async def job(app: App) -> None:
        await app.tokens.revoke((await the_account(app, account)).id, token)

    with_app(job)


def _shown(token: Token) -> dict[str, Any]:
    return {
        "id": token.id, "label": token.label, "user": token.user_id, "created": _time(token.created_at),
        "expires": _time(token.expires_at) if token.expires_at else None,
    }  # fmt: skip


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
