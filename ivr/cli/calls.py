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
from ivr.cli.edge import AccountOption, JsonOption, show, show_all, told, with_app
from ivr.errors import NotFound
from ivr.mailbox.store import CallRecord
from ivr.mailbox.system import DAY_S

command = typer.Typer(no_args_is_help=True)
COLUMNS = ["time", "caller", "action", "box", "status", "seconds", "id"]


@command.command("list")
@told
def list_all(
    account: str | None = AccountOption,
    limit: int = typer.Option(50, "--limit", "-n", min=1, help="How many, newest first."),
    json: bool = JsonOption,
) -> None:
    """The latest calls, newest first, as long as they are kept; of one account or of all."""

    async def job(app: App) -> None:
        where = (await app.directory.account_called(account)).id if account else None
        found = await app.calls.recent(where, _not_before(app), limit)
        show_all([await _row(app, call) for call in found], COLUMNS, json)

    with_app(job)


@command.command("show")
@told
def show_one(
    call: str = typer.Argument(metavar="ID", help="Its id, or how that begins."), json: bool = JsonOption
) -> None:
    """Every sentence heard, key taken (a PIN's as •), menu entered and state changed, with the time since the start."""

    async def job(app: App) -> None:
        found = await app.calls.get(call, _not_before(app))
        row = await _row(app, found)
        if json:
            typer.echo(jsons.dumps({**asdict(found), **row}, indent=2))
            return
        show({**{name: row[name] or "-" for name in COLUMNS}, "channel": found.channel}, False)
        typer.echo("")
        for line in lines(found):
            typer.echo(line)

    with_app(job)


def lines(call: CallRecord) -> Iterator[str]:
    """A call, a line a step: `  0:03.250  key      7`."""
    for step in call.steps:
        details = {name: value for name, value in step.items() if name not in ("at_ms", "what")}
        yield f"{_since(int(step['at_ms'])):>10}  {step['what']:<14} {_said(str(step['what']), details)}".rstrip()


def _said(what: str, details: Mapping[str, Any]) -> str:
    match what:
        case "heard":
            after = f", from {_since(details['from_ms'])}" if "from_ms" in details else ""
            return f"“{details['text']}”{after}"
        case "key" | "menu":
            return str(next(iter(details.values())))
    return "  ".join(f"{name}={value}" for name, value in details.items())


def _since(ms: int) -> str:
    minutes, rest = divmod(ms, 60_000)
    return f"{minutes}:{rest // 1000:02d}.{rest % 1000:03d}"


async def _row(app: App, call: CallRecord) -> dict[str, Any]:
    return {
        "time": f"{datetime.fromtimestamp(call.began_at, await _zone(app, call)):%Y-%m-%d %H:%M:%S}",
        "caller": call.caller_number, "action": call.action, "box": await _box(app, call), "status": call.status,
        "seconds": call.ended_at - call.began_at, "id": call.id,
    }  # fmt: skip


async def _box(app: App, call: CallRecord) -> str | None:
    """The number of the box that the call was for; None where there was none, or where it is gone."""
    if call.box_id is None:
        return None
    try:
        return (await app.boxes.get(call.box_id)).number
    except NotFound:
        return None


async def _zone(app: App, call: CallRecord) -> tzinfo:
    """The account's time zone, UTC for a call that nobody knew."""
    if call.account_id is None:
        return UTC
    try:
        return ZoneInfo((await app.directory.account(call.account_id)).timezone)
    except (NotFound, ValueError, OSError, KeyError):
        return UTC


def _not_before(app: App) -> int:
    """Caller numbers are personal data: what the sweeper has yet to remove is not shown any more."""
    return int(app.mailroom.clock.now()) - app.settings.sweeping.calls_days * DAY_S
