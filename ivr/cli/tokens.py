"""`ivr token`: API keys of programs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import typer

from ivr.app import App
from ivr.cli.audit import record_command
from ivr.cli.support import (
    AccountOption,
    JsonOption,
    YesOption,
    confirm,
    echo,
    format_time,
    print_document,
    print_table,
    resolve_account,
    with_app,
)
from ivr.directory.credentials import DAY_S
from ivr.errors import NotFound
from ivr.storage.records import AuditAction, Token

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["id", "kind", "label", "user", "mailbox", "created", "last_used", "expires"]


@command.command("create")
@with_app
async def create(
    app: App,
    account: str | None = AccountOption,
    user: str | None = typer.Option(
        None, help="Name or id of a user, to limit the token to the boxes of that user. Default: all boxes."
    ),
    days: int | None = typer.Option(
        None, min=1, max=36_500, help="Days until the token expires. Default: it is valid until it is revoked."
    ),
    label: str = typer.Option("", help="What the token is for."),
    as_json: bool = JsonOption,
) -> None:
    """Create a token for the REST API.

    The token is shown only once.
    """
    token_account = await resolve_account(app, account)
    user_id = (await app.directory.find_user_by_name(token_account.id, user)).id if user else None
    lifetime_s = days * DAY_S if days else None
    text, token = await app.tokens.create(token_account.id, user_id, label, lifetime_s=lifetime_s)
    await record_command(app, AuditAction.TOKEN_CREATED, token_account.id, [token.id])
    print_document({"token": text, "account_id": token_account.id, **_token_document(token)}, as_json)


@command.command("list")
@with_app
async def list_all(
    app: App,
    sessions: bool = typer.Option(False, "--sessions", help="List the sessions of those who signed in, too."),
    account: str | None = AccountOption,
    as_json: bool = JsonOption,
) -> None:
    """List the valid tokens of an account, and when each was last used.

    A session that a PIN has opened on the page reaches the mailbox shown, and nothing else.
    The last use is up to a minute late; requests of a session count as uses of its token.
    """
    token_account = await resolve_account(app, account)
    tokens = await app.tokens.list_valid(token_account.id, with_sessions=sessions)
    numbers = await _numbers_of_boxes(app, tokens)
    print_table([_token_document(token, numbers) for token in tokens], COLUMNS, as_json)


@command.command("revoke")
@with_app
async def revoke(
    app: App,
    token: str = typer.Argument(metavar="ID", help="Id of the token, or the beginning of it."),
    account: str | None = AccountOption,
    yes: bool = YesOption,
) -> None:
    """Revoke a token and its sessions, or one session."""
    token_account = await resolve_account(app, account)
    confirm(f"Revoke token {token} of account {token_account.name}?", assume_yes=yes)
    revoked = await app.tokens.revoke(token_account.id, token)
    await record_command(app, AuditAction.TOKEN_REVOKED, token_account.id, [revoked.id])
    echo(f"token {revoked.id} ({revoked.label or 'without a label'}) is revoked")


async def _numbers_of_boxes(app: App, tokens: list[Token]) -> dict[str, str]:
    """Return the numbers of the mailboxes that sessions of the page are for, by id; without deleted mailboxes."""
    numbers = {}
    for box_id in {token.box_id for token in tokens if token.box_id}:
        with suppress(NotFound):
            numbers[box_id] = (await app.boxes.get(box_id)).number
    return numbers


def _token_document(token: Token, numbers: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Return a token as it is shown. `numbers`: of the mailboxes that page sessions are for, by id."""
    return {
        "id": token.id,
        "kind": token.kind,
        "label": token.label,
        "user": token.user_id,
        "mailbox": numbers.get(token.box_id) if token.box_id else None,
        "created": format_time(token.created_at),
        "last_used": format_time(token.last_used_at) if token.last_used_at else None,
        "expires": format_time(token.expires_at) if token.expires_at else None,
    }
