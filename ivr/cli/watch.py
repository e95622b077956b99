"""`ivr watch`: calls, messages and lights, as they are and as they change."""

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
from ivr.cli.support import JsonOption, exit_on_error, run_with_app
from ivr.storage.overview import MwiSummary, Overview

PIPE_WIDTH = 100


@exit_on_error
def watch(
    once: bool = typer.Option(False, "--once", help="Show it once, for scripts."),
    interval_s: float = typer.Option(1.0, "--every", min=0.1, help="Seconds between two looks."),
    as_json: bool = JsonOption,
) -> None:
    """Calls, messages and lights, until Ctrl-C; also where the service is down, as it reads the database only."""

    async def job(app: App) -> None:
        async def look() -> Overview:
            return await app.overview.snapshot(int(app.clock.now()))

        if as_json:
            typer.echo(json.dumps(asdict(await look()), indent=2))
        elif once:
            out = Console(highlight=False)
            out = out if out.is_terminal else Console(highlight=False, width=PIPE_WIDTH)
            out.print(render(await look()))
        else:
            with Live(render(await look()), auto_refresh=False, screen=True) as live:
                while True:
                    live.update(render(await look()), refresh=True)
                    await asyncio.sleep(interval_s)

    run_with_app(job)


def render(overview: Overview, timezone: tzinfo | None = None) -> RenderableType:
    """What is shown of `seen`; times are of `zone`, else of this machine."""
    clock = _TimeFormatter(overview.at, timezone)
    head = f"{clock.date_and_time()}   {len(overview.calls)} calls, {overview.recordings} recording   "
    counts = f"{overview.new} new, {overview.saved} saved, {overview.deleted} deleted   {overview.waiting} waiting to be told"
    return Group(
        Text(head + counts, "bold"),
        _render_table(
            "calls that go on",
            ["since", "channel", "from", "does", "box"],
            ([clock.elapsed(c.began_at), c.channel, c.caller_number, c.action, c.number] for c in overview.calls),
        ),
        _render_table(
            "calls that are over",
            ["at", "lasted", "from", "did", "box", "ended"],
            (
                [
                    clock.time(c.began_at),
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
            ["at", "box", "from", "length", "folder"],
            (
                [clock.time(m.time), m.box, m.caller, _format_duration(m.length_ms // 1000), m.folder + " !" * m.urgent]
                for m in overview.messages
            ),
        ),
        _render_table(
            "lights",
            ["box", "name", "light", "new/saved", ""],
            (
                [light.box, light.name, "on" if light.new else "off", *_mwi_columns(light, clock)]
                for light in overview.lights
            ),
        ),
    )


def _mwi_columns(light: MwiSummary, clock: _TimeFormatter) -> list[str]:
    """Its counts, and what keeps the phone from showing them."""
    counts = f"{light.new}/{light.saved}"
    if light.waiting_since is None:
        return [counts, ""]
    waits = f"to be set, for {clock.elapsed(light.waiting_since)}"
    return [counts, f"{waits}, {light.attempts} tries: {light.error}" if light.error else waits]


def _render_table(title: str, columns: list[str], rows: Iterable[list[str]]) -> RenderableType:
    table = Table(
        box=None, pad_edge=False, header_style="dim", title=title, title_justify="left", title_style="bold cyan"
    )
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return Group("", table if table.row_count else Text(f"no {title}", "dim"))


class _TimeFormatter:
    """Tells times as they are seen at `now`, in `zone`."""

    def __init__(self, now: int, zone: tzinfo | None) -> None:
        self._now = now
        self._zone = zone

    def date_and_time(self) -> str:
        return f"{datetime.fromtimestamp(self._now, self._zone):%Y-%m-%d %H:%M:%S}"

    def time(self, timestamp: int) -> str:
        """The time of a day that is today, else the day too."""
        when, now = datetime.fromtimestamp(timestamp, self._zone), datetime.fromtimestamp(self._now, self._zone)
        return f"{when:%H:%M:%S}" if when.date() == now.date() else f"{when:%Y-%m-%d %H:%M}"

    def elapsed(self, timestamp: int) -> str:
        return _format_duration(self._now - timestamp)


def _format_duration(seconds: int) -> str:
    return f"{max(0, seconds) // 60}:{max(0, seconds) % 60:02d}"
