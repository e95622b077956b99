"""`ivr serve`: take calls until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from enum import StrEnum

import structlog
import typer

from ivr import logs, settings
from ivr.app import build
from ivr.cli.edge import told
from ivr.serving.service import serve as begin

UMASK = 0o027
"""Recordings are for our user and for the group that Asterisk shares, and for nobody else."""

log = structlog.get_logger()


class Only(StrEnum):
    CALLS = "calls"
    API = "api"


@told
def serve(only: Only | None = typer.Option(None, help="One of the two alone; else both.")) -> None:
    """Take calls from Asterisk, and speak REST, until Ctrl-C or SIGTERM."""
    asyncio.run(_serve(only))


async def _serve(only: Only | None = None) -> None:
    os.umask(UMASK)
    loaded = settings.load()
    logs.configure(loaded.log)
    app = build(loaded)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    service = await begin(app, only)
    agi = "agi://{}:{}/".format(*service.agi) if service.agi else None
    log.info("service.started", fastagi=agi, rest=service.url, data=str(loaded.data.folder))
    doors = {"Asterisk": agi, "programs": service.url}
    # In one go: who waits for the first line may be gone when a second one comes.
    typer.echo("\n".join(f"ivr: ready for {who} at {where}" for who, where in doors.items() if where))
    await stop.wait()
    await service.stop()
    log.info("service.stopped")
