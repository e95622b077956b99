"""`ivr audit`: who did what, by phone, REST and commands."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from ivr.app import App
from ivr.cli.support import (
    TIME_FORMAT,
    AccountOption,
    JsonOption,
    echo,
    format_time,
    parse_period,
    print_table,
    resolve_account,
    run_with_app,
    with_app,
)
from ivr.directory.audit_log import AuditedChange
from ivr.directory.models import User
from ivr.errors import BadInput, IvrError, NotFound, describe_error
from ivr.mailbox.box_settings import ID_LENGTH
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.message_reference import message_reference
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.storage.records import Actor, AuditAction, AuditEntry, AuditQuery, Door

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["time", "action", "subject", "box", "door", "user", "device", "proof"]
LOGIN_PROOF = "login"


@command.callback()
def group() -> None:
    """Keep `list` a word of its own although it is the only command."""


@command.command("list")
@with_app
async def list_all(
    app: App,
    account: str | None = AccountOption,
    box: str | None = typer.Option(None, "--box", help="Only this box: number or id; of a deleted one: id."),
    user: str | None = typer.Option(None, "--user", help="Only this user: name or id; of commands: the login."),
    action: AuditAction | None = typer.Option(None, "--action", help="Only this action."),
    message: str | None = typer.Option(None, "--message", help="Only what was done with the message of this id."),
    since: str | None = typer.Option(None, "--since", help=f"Only entries from this time on: {TIME_FORMAT}."),
    until: str | None = typer.Option(None, "--until", help="Only entries up to this time; a date includes its day."),
    limit: int = typer.Option(100, "--limit", "-n", min=1, help="Maximum number of entries."),
    as_json: bool = JsonOption,
) -> None:
    """List who signed in, heard, fetched, exported, changed or deleted messages, or set PINs, tokens and settings.

    Newest first. An entry has no contents.
    """
    now = app.clock.now()
    if message and not message_reference(message):
        raise BadInput(f"{message!r} is not the id of a message: give it whole, as 'ivr message list' prints it")
    cutoff = int(now) - app.settings.retention.audit_days * DAY_S
    begin, end = parse_period(since, until, now, earliest=cutoff, latest=2**62)
    query = AuditQuery(
        since=begin,
        until=end,
        account_id=(await app.directory.find_account_by_name(account)).id if account else None,
        box_id=await resolve_box_id(app, account, box) if box else None,
        user=await _user_id(app, account, user) if user else None,
        action=action,
        subject=message,
    )
    entries = await app.audit_store.find(query, limit)
    if user and query.user == user and not await app.audit_store.find(AuditQuery(user=user), 1):
        raise NotFound(f"there is no user {user!r}, and no entry of such a login or deleted user")
    print_table([await _row(app, entry) for entry in entries], COLUMNS, as_json)


async def record_command(app: App, action: AuditAction, target: Mailbox | str, subjects: Sequence[str] = ("",)) -> None:
    """Record what a command has done. `target`: the box, or the id of the account."""
    account_id, box_id = (target.account_id, target.id) if isinstance(target, Mailbox) else (target, None)
    await app.audit_log.record(command_actor(), action, account_id=account_id, box_id=box_id, subjects=subjects)


async def record_for_all_accounts(app: App, action: AuditAction, subject: str) -> None:
    """Record what a command has done to the whole installation: once for each account."""
    changes = [AuditedChange(action, account.id, None, subject) for account in await app.directory.accounts()]
    await app.audit_log.record_all(command_actor(), changes)


def record_afterwards(action: AuditAction, subject: str) -> None:
    """Record for all accounts what a command has done that needs no database.

    What was done remains if it cannot be recorded, for example because there is no database yet.
    """
    try:
        run_with_app(lambda app: record_for_all_accounts(app, action, subject))
    except (IvrError, OSError) as error:
        echo(f"ivr: the audit log does not have this: {describe_error(error)}", err=True)


async def record_user(app: App, user: User, names: Iterable[str]) -> None:
    """Record what a command has set for a user: names of fields, or `phones`."""
    await record_command(app, AuditAction.SETTINGS_CHANGED, user.account_id, [user_subject(user.id, names)])


def user_subject(user_id: str, names: Iterable[str]) -> str:
    """Return what the audit log shows of a change of a user: no name and no value."""
    return f"user {user_id}: {', '.join(sorted(names))}"


def command_actor() -> Actor:
    """Return who runs the command."""
    return Actor(Door.COMMAND, os.environ.get("SUDO_USER") or _login_name(), _terminal_name(), LOGIN_PROOF)


async def resolve_box_id(app: App, account: str | None, number: str) -> str:
    """Return the id of a box, which may be given itself: that of a deleted box. Raises `NotFound`."""
    if len(number) == ID_LENGTH:
        return number
    box_account = await resolve_account(app, account)
    if (found := await app.boxes.find_by_number(box_account.id, number)) is None:
        raise NotFound(f"there is no box {number!r} in account {box_account.name!r}; of a deleted one, give the id")
    return found.id


async def _user_id(app: App, account: str | None, name: str) -> str:
    try:
        return (await app.directory.find_user_by_name((await resolve_account(app, account)).id, name)).id
    except NotFound:
        return name


async def _row(app: App, entry: AuditEntry) -> dict[str, Any]:
    return {
        "time": format_time(entry.at),
        "action": entry.action,
        "subject": entry.subject,
        "box": await _box_number(app, entry),
        "door": entry.actor.door,
        "user": await _user_name(app, entry.actor),
        "device": entry.actor.device,
        "proof": entry.actor.proof,
        "account_id": entry.account_id,
        "box_id": entry.box_id,
        "timestamp": entry.at,
    }


async def _box_number(app: App, entry: AuditEntry) -> str | None:
    try:
        return (await app.boxes.get(entry.box_id)).number if entry.box_id else None
    except NotFound:
        return entry.box_id


async def _user_name(app: App, actor: Actor) -> str:
    if actor.door is Door.COMMAND or not actor.user:
        return actor.user
    try:
        return (await app.directory.user(actor.user)).name
    except NotFound:
        return actor.user


def _login_name() -> str:
    """Return the name of the user who runs the command; in a container, its number may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _terminal_name() -> str:
    try:
        return os.ttyname(sys.stdin.fileno())
    except (AttributeError, OSError, ValueError):  # Standard input is no terminal, closed, or not of this container.
        return "no terminal"
