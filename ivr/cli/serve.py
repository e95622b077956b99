"""`ivr serve`: take calls until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal

import structlog
import typer

from ivr import logs, settings
from ivr.app import build
from ivr.app import serve as begin
from ivr.cli.edge import told

UMASK = 0o027
"""Recordings are for our user and for the group that Asterisk shares, and for nobody else."""

log = structlog.get_logger()


@told
def serve() -> None:
    """Take calls from Asterisk until Ctrl-C or SIGTERM."""
    asyncio.run(_serve())


async def _serve() -> None:
    os.umask(UMASK)
    loaded = settings.load()
    logs.configure(loaded.log)
    app = build(loaded)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    service = await begin(app)
    host, port = service.address
    log.info("service.started", fastagi=f"{host}:{port}", data=str(loaded.data.folder))
    typer.echo(f"ivr: ready for Asterisk at agi://{host}:{port}/")
    await stop.wait()
    await service.stop()
    log.info("service.stopped")
