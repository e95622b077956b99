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
from ivr.cli.edge import JsonOption, told, with_app
from ivr.mailbox.overview import Light, Overview

WIDTH = 100


@told
def watch(
    once: bool = typer.Option(False, "--once", help="Show it once, for scripts."),
    every: float = typer.Option(1.0, "--every", min=0.1, help="Seconds between two looks."),
    as_json: bool = JsonOption,
) -> None:
    """Calls, messages and lights, until Ctrl-C; also where the service is down, as it reads the database only."""

    async def job(app: App) -> None:
        async def look() -> Overview:
            return await app.overview.look(int(app.mailroom.clock.now()))

        if as_json:
            typer.echo(json.dumps(asdict(await look()), indent=2))
        elif once:
            out = Console(highlight=False)
            out = out if out.is_terminal else Console(highlight=False, width=WIDTH)
            out.print(picture(await look()))
        else:
            with Live(picture(await look()), auto_refresh=False, screen=True) as live:
                while True:
                    live.update(picture(await look()), refresh=True)
                    await asyncio.sleep(every)

    with_app(job)


def picture(seen: Overview, zone: tzinfo | None = None) -> RenderableType:
    """What is shown of `seen`; times are of `zone`, else of this machine."""
    clock = _Clock(seen.at, zone)
    head = f"{clock.day()}   {len(seen.calls)} calls, {seen.recordings} recording   "
    counts = f"{seen.new} new, {seen.saved} saved, {seen.deleted} deleted   {seen.waiting} waiting to be told"
    return Group(
        Text(head + counts, "bold"),
        _table(
            "calls that go on",
            ["since", "channel", "from", "does", "box"],
            ([clock.since(c.began_at), c.channel, c.caller_number, c.action, c.number] for c in seen.calls),
        ),
        _table(
            "calls that are over",
            ["at", "lasted", "from", "did", "box", "ended"],
            (
                [clock.time(c.began_at), _minutes(c.ended_at - c.began_at), c.caller_number, c.action, c.box, c.status]
                for c in seen.ended
            ),
        ),
        _table(
            "newest messages",
            ["at", "box", "from", "length", "folder"],
            (
                [clock.time(m.time), m.box, m.caller, _minutes(m.length_ms // 1000), m.folder + " !" * m.urgent]
                for m in seen.messages
            ),
        ),
        _table(
            "lights",
            ["box", "name", "light", "new/saved", ""],
            ([light.box, light.name, "on" if light.new else "off", *_shown(light, clock)] for light in seen.lights),
        ),
    )


def _shown(light: Light, clock: _Clock) -> list[str]:
    """Its counts, and what keeps the phone from showing them."""
    counts = f"{light.new}/{light.saved}"
    if light.waiting_since is None:
        return [counts, ""]
    waits = f"to be set, for {clock.since(light.waiting_since)}"
    return [counts, f"{waits}, {light.attempts} tries: {light.error}" if light.error else waits]


def _table(title: str, columns: list[str], rows: Iterable[list[str]]) -> RenderableType:
    table = Table(
        box=None, pad_edge=False, header_style="dim", title=title, title_justify="left", title_style="bold cyan"
    )
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return Group("", table if table.row_count else Text(f"no {title}", "dim"))


class _Clock:
    """Tells times as they are seen at `now`, in `zone`."""

    def __init__(self, now: int, zone: tzinfo | None) -> None:
        self._now = now
        self._zone = zone

    def day(self) -> str:
        return f"{datetime.fromtimestamp(self._now, self._zone):%Y-%m-%d %H:%M:%S}"

    def time(self, at: int) -> str:
        """The time of a day that is today, else the day too."""
        when, now = datetime.fromtimestamp(at, self._zone), datetime.fromtimestamp(self._now, self._zone)
        return f"{when:%H:%M:%S}" if when.date() == now.date() else f"{when:%Y-%m-%d %H:%M}"

    def since(self, at: int) -> str:
        return _minutes(self._now - at)


def _minutes(s: int) -> str:
    return f"{max(0, s) // 60}:{max(0, s) % 60:02d}"
