"""`ivr calls`: a whole call, read afterwards."""

from __future__ import annotations

import json as jsons
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import typer

from ivr.app import App
from ivr.cli.support import AccountOption, JsonOption, exit_on_error, print_document, print_table, run_with_app
from ivr.errors import NotFound
from ivr.mailbox.voicemail_settings import DAY_S
from ivr.storage.records import CallRecord

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["time", "caller", "action", "box", "status", "seconds", "id"]


@command.command("list")
@exit_on_error
def list_all(
    account: str | None = AccountOption,
    limit: int = typer.Option(50, "--limit", "-n", min=1, help="How many, newest first."),
    as_json: bool = JsonOption,
) -> None:
    """The latest calls, newest first, as long as they are kept; of one account or of all."""

    async def job(app: App) -> None:
        where = (await app.directory.find_account_by_name(account)).id if account else None
        found = await app.call_store.recent_calls(where, _retention_cutoff(app), limit)
        print_table([await _call_row(app, call) for call in found], COLUMNS, as_json)

    run_with_app(job)


@command.command("show")
@exit_on_error
def show(
    call: str = typer.Argument(metavar="ID", help="Its id, or how that begins."), as_json: bool = JsonOption
) -> None:
    """Every sentence heard, key taken (a PIN's as •), menu entered and state changed, with the time since the start."""

    async def job(app: App) -> None:
        found = await app.call_store.get(call, _retention_cutoff(app))
        row = await _call_row(app, found)
        if as_json:
            typer.echo(jsons.dumps({**asdict(found), **row}, indent=2))
            return
        print_document({**{name: row[name] or "-" for name in COLUMNS}, "channel": found.channel}, False)
        typer.echo("")
        for line in format_steps(found):
            typer.echo(line)

    run_with_app(job)


def format_steps(call: CallRecord) -> Iterator[str]:
    """A call, a line a step: `  0:03.250  key      7`."""
    for step in call.steps:
        details = {name: value for name, value in step.items() if name not in ("at_ms", "what")}
        yield f"{_format_offset(int(step['at_ms'])):>10}  {step['what']:<14} {_format_step_details(str(step['what']), details)}".rstrip()


def _format_step_details(step_name: str, details: Mapping[str, Any]) -> str:
    match step_name:
        case "heard":
            after = f", from {_format_offset(details['from_ms'])}" if "from_ms" in details else ""
            return f"“{details['text']}”{after}"
        case "key" | "menu":
            return str(next(iter(details.values())))
    return "  ".join(f"{name}={value}" for name, value in details.items())


def _format_offset(ms: int) -> str:
    minutes, rest = divmod(ms, 60_000)
    return f"{minutes}:{rest // 1000:02d}.{rest % 1000:03d}"


async def _call_row(app: App, call: CallRecord) -> dict[str, Any]:
    return {
        "time": f"{datetime.fromtimestamp(call.began_at, await _account_timezone(app, call)):%Y-%m-%d %H:%M:%S}",
        "caller": call.caller_number,
        "action": call.action,
        "box": await _box_number(app, call),
        "status": call.status,
        "seconds": call.ended_at - call.began_at,
        "id": call.id,
    }


async def _box_number(app: App, call: CallRecord) -> str | None:
    """The number of the box that the call was for; None where there was none, or where it is gone."""
    if call.box_id is None:
        return None
    try:
        return (await app.boxes.get(call.box_id)).number
    except NotFound:
        return None


async def _account_timezone(app: App, call: CallRecord) -> tzinfo:
    """The account's time zone, UTC for a call that nobody knew."""
    if call.account_id is None:
        return UTC
    try:
        return ZoneInfo((await app.directory.account(call.account_id)).timezone)
    except (NotFound, ValueError, OSError, KeyError):
        return UTC


def _retention_cutoff(app: App) -> int:
    """Caller numbers are personal data: records that are due for removal are not shown."""
    return int(app.clock.now()) - app.settings.retention.call_record_days * DAY_S
