"""`ivr calls`: records of calls."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import typer

from ivr import translations
from ivr.app import App
from ivr.cli.audit import resolve_box_id
from ivr.cli.support import (
    TIME_FORMAT,
    AccountOption,
    JsonOption,
    echo,
    format_time,
    parse_period,
    print_document,
    print_table,
    with_app,
)
from ivr.clock import date_of
from ivr.errors import BadInput, NotFound
from ivr.mailbox.text_values import suggest
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.menus.dialplan_status import Status
from ivr.storage.records import CallQuery, CallRecord

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["time", "caller", "action", "box", "status", "seconds", "id"]


@command.command("list")
@with_app
async def list_all(
    app: App,
    account: str | None = AccountOption,
    box: str | None = typer.Option(None, "--box", help="Only calls of this box: number or id; of a deleted one: id."),
    caller: str = typer.Option("", "--caller", help="Only calls from this number; its last digits are enough."),
    status: str | None = typer.Option(None, "--status", help=f"Only calls with this status: {', '.join(Status)}."),
    since: str | None = typer.Option(None, "--since", help=f"Only calls from this time on: {TIME_FORMAT}."),
    until: str | None = typer.Option(None, "--until", help="Only calls up to this time; a date includes its day."),
    limit: int = typer.Option(50, "--limit", "-n", min=1, help="Maximum number of calls."),
    as_json: bool = JsonOption,
) -> None:
    """List the latest calls, newest first.

    Times are those of this machine's time zone.
    """
    now = app.clock.now()
    begin, end = parse_period(since, until, now, earliest=_retention_cutoff(app), latest=int(now) + DAY_S)
    query = CallQuery(
        since=begin,
        until=end,
        account_id=(await app.directory.find_account_by_name(account)).id if account else None,
        box_id=await resolve_box_id(app, account, box) if box else None,
        caller_suffix=caller,
        status=_parse_status(status) if status else None,
    )
    records = await app.call_store.recent_calls(query, limit)
    print_table([await _call_row(app, record) for record in records], COLUMNS, as_json)


def _parse_status(text: str) -> Status:
    try:
        return Status(text.upper())
    except ValueError:
        hint = suggest(text.upper(), [*Status])
        raise BadInput(f"unknown status {text!r}: {hint}use one of {', '.join(Status)}") from None


@command.command("show")
@with_app
async def show(
    app: App,
    call: str = typer.Argument(metavar="ID", help="Id of the call, or the beginning of it."),
    language: str = typer.Option(
        translations.ENGLISH, "--language", help=f"Language of the output: {', '.join(translations.LANGUAGES)}."
    ),
    as_json: bool = JsonOption,
) -> None:
    """Show a call step by step.

    The steps are prompts, keys (• for those of a PIN), menus and changes, with the time since the start of the call.
    """
    known_language = _parse_language(language)
    record = await app.call_store.get(call, _retention_cutoff(app))
    row = await _call_row(app, record)
    if as_json:
        echo(json.dumps({**asdict(record), **row}, indent=2))
        return
    translate = translations.load(known_language)
    if known_language != translations.ENGLISH:
        row["time"] = _format_time_in(known_language, record.began_at)
    shown = {**{name: row[name] or "-" for name in COLUMNS}, "channel": record.channel}
    print_document({translate(name): value for name, value in shown.items()}, False)
    echo("")
    for line in record.format_steps(translate):
        echo(line)


def _parse_language(code: str) -> str:
    if found := translations.find_language(code):
        return found
    raise BadInput(f"unknown language {code!r}: use one of {', '.join(translations.LANGUAGES)}")


def _format_time_in(language: str, timestamp: int) -> str:
    """Return a time as mails write it, with the name of this machine's time zone."""
    from babel.dates import LOCALTZ  # Other commands start faster without it.

    from ivr.notifications.mail.variables import format_date

    return format_date(date_of(timestamp, LOCALTZ), language)


async def _call_row(app: App, call: CallRecord) -> dict[str, Any]:
    return {
        "time": format_time(call.began_at),
        "caller": call.caller_number,
        "action": call.action,
        "box": await _box_number(app, call),
        "status": call.status,
        "seconds": call.ended_at - call.began_at,
        "id": call.id,
    }


async def _box_number(app: App, call: CallRecord) -> str | None:
    """Return the number of the box of a call; None if the call had none, or if the box is deleted."""
    if call.box_id is None:
        return None
    try:
        return (await app.boxes.get(call.box_id)).number
    except NotFound:
        return None


def _retention_cutoff(app: App) -> int:
    """Caller numbers are personal data: records that are due for removal are not shown."""
    return int(app.clock.now()) - app.settings.retention.call_record_days * DAY_S
