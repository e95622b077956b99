"""`ivr watch`: calls, messages and lights, updated live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, tzinfo

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ivr.app import App
from ivr.cli.support import JsonOption, echo, one_line, with_app
from ivr.clock import date_of
from ivr.storage.records import MwiSummary, Overview

PIPE_WIDTH = 10_000
"""Nothing is cut for a program that reads it."""


@with_app
async def watch(
    app: App,
    once: bool = typer.Option(False, "--once", help="Print the state once and exit."),
    interval_s: float = typer.Option(1.0, "--every", min=0.1, help="Seconds between two updates."),
    as_json: bool = JsonOption,
) -> None:
    """Watch calls, messages and lights.

    Runs until Ctrl-C. It reads the database only, so it works while the service is stopped. Times are those of this
    machine's time zone.
    """
    if as_json:
        echo(json.dumps(asdict(await _snapshot(app)), indent=2))
    elif once:
        out = Console(highlight=False)
        out = out if out.is_terminal else Console(highlight=False, width=PIPE_WIDTH)
        out.print(render(await _snapshot(app)))
    else:
        with Live(render(await _snapshot(app)), auto_refresh=False, screen=True) as live:
            while True:
                live.update(render(await _snapshot(app)), refresh=True)
                await asyncio.sleep(interval_s)


async def _snapshot(app: App) -> Overview:
    return await app.overview.snapshot(int(app.clock.now()))


def render(overview: Overview, timezone: tzinfo | None = None) -> RenderableType:
    """Render a snapshot. `timezone`: of the times; None: of this machine."""
    times = _TimeFormatter(overview.at, timezone)
    head = f"{times.date_and_time()}   {len(overview.calls)} calls, {overview.recordings} recording   "
    counts = (
        f"{overview.new} new, {overview.saved} saved, {overview.deleted} deleted   {overview.waiting} tasks waiting"
    )
    return Group(
        Text(head + counts, "bold"),
        _render_table(
            "calls in progress",
            ["duration", "channel", "caller", "action", "box", "node", "service"],
            (
                [
                    times.elapsed(c.began_at),
                    c.channel,
                    c.caller_number,
                    c.action,
                    c.number,
                    c.node or "",
                    c.instance or "",
                ]
                for c in overview.calls
            ),
        ),
        _render_table(
            "finished calls",
            ["time", "duration", "caller", "action", "box", "status"],
            (
                [
                    times.time(c.began_at),
                    _format_duration(c.ended_at - c.began_at),
                    c.caller_number,
                    c.action,
                    c.box,
                    c.status,
                ]
                for c in overview.ended
            ),
        ),
        _render_table(
            "newest messages",
            ["time", "box", "caller", "length", "folder"],
            (
                [times.time(m.time), m.box, m.caller, _format_duration(m.length_ms // 1000), m.folder + " !" * m.urgent]
                for m in overview.messages
            ),
        ),
        _render_table(
            "lights",
            ["box", "name", "light", "new/saved", ""],
            (
                [light.box, light.name, "on" if light.new else "off", *_mwi_columns(light, times)]
                for light in overview.lights
            ),
        ),
    )


def _mwi_columns(light: MwiSummary, times: _TimeFormatter) -> list[str]:
    """Return the counts of a light, and why they have not been published yet."""
    counts = f"{light.new}/{light.saved}"
    if light.waiting_since is None:
        return [counts, ""]
    pending = f"not set for {times.elapsed(light.waiting_since)}"
    return [counts, f"{pending}, {light.attempts} attempts: {light.error}" if light.error else pending]


def _render_table(title: str, columns: list[str], rows: Iterable[list[str]]) -> RenderableType:
    table = Table(
        box=None, pad_edge=False, header_style="dim", title=title, title_justify="left", title_style="bold cyan"
    )
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    return Group("", table if table.row_count else Text(f"no {title}", "dim"))


class _TimeFormatter:
    """Formats times relative to `now` (Unix s), in `timezone`; None: of this machine."""

    def __init__(self, now: int, timezone: tzinfo | None) -> None:
        self._now = now
        self._timezone = timezone

    def date_and_time(self) -> str:
        return f"{datetime.fromtimestamp(self._now, self._timezone).astimezone(self._timezone):%Y-%m-%d %H:%M:%S %Z}"

    def time(self, timestamp: int) -> str:
        """Return the time of day, preceded by the date unless it is today."""
        when = date_of(timestamp, self._timezone)
        now = datetime.fromtimestamp(self._now, self._timezone)
        return f"{when:%H:%M:%S}" if when.date() == now.date() else f"{when:%Y-%m-%d %H:%M}"

    def elapsed(self, timestamp: int) -> str:
        return _format_duration(self._now - timestamp)


def _format_duration(seconds: int) -> str:
    return f"{max(0, seconds) // 60}:{max(0, seconds) % 60:02d}"
