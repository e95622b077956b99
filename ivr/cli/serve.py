"""`ivr serve`: take calls until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from enum import StrEnum

import structlog
import typer

from ivr import logging_setup, settings
from ivr.app import App
from ivr.cli.support import exit_on_error
from ivr.service.service import start_service as begin

UMASK = 0o027
"""Recordings are for our user and for the group that Asterisk shares, and for nobody else."""

log = structlog.get_logger()


class Component(StrEnum):
    CALLS = "calls"
    API = "api"


@exit_on_error
def serve(only: Component | None = typer.Option(None, help="One of the two alone; else both.")) -> None:
    """Take calls from Asterisk, and speak REST, until Ctrl-C or SIGTERM."""
    asyncio.run(_run_service(only))


async def _run_service(component: Component | None = None) -> None:
    os.umask(UMASK)
    loaded = settings.load()
    logging_setup.configure_logging(loaded.log)
    app = App(loaded).open()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    service = await begin(app, component)
    agi = "agi://{}:{}/".format(*service.fastagi_address) if service.call_servers else None
    log.info("service.started", fastagi=agi, rest=service.api_url, data=str(loaded.data.folder))
    doors = {"Asterisk": agi, "programs": service.api_url}
    # In one go: who waits for the first line may be gone when a second one comes.
    typer.echo("\n".join(f"ivr: ready for {who} at {where}" for who, where in doors.items() if where))
    await stop.wait()
    await service.stop()
    log.info("service.stopped")
