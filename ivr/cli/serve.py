"""`ivr serve`: the service."""

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
from ivr.service.passed_sockets import PassedSockets
from ivr.service.reload import SettingsReloader
from ivr.service.systemd import current_service_manager

UMASK = 0o027
"""Recordings are readable by the user of the service and by the group that Asterisk shares, by no other user."""

log = structlog.get_logger()


class Component(StrEnum):
    CALLS = "calls"
    API = "api"


@exit_on_error
def serve(only: Component | None = typer.Option(None, help="Start one component. Default: both.")) -> None:
    """Start the service.

    Serves calls from Asterisk and the REST API, until Ctrl-C or SIGTERM. SIGHUP reads the log settings again.
    """
    asyncio.run(_run_service(only))


async def _run_service(component: Component | None = None) -> None:
    from ivr.service.garbage_collection import exempt_what_was_started
    from ivr.service.service import start_service  # Other commands start without the web framework.

    os.umask(UMASK)
    loaded = settings.load()
    logging_setup.configure_logging(loaded.log)
    app = App(loaded).open(migrate=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    reloader = SettingsReloader(loaded, settings.load, logging_setup.configure_logging)
    loop.add_signal_handler(signal.SIGHUP, reloader.reload)
    service_manager = current_service_manager()
    sockets = PassedSockets.from_environment(os.environ, os.getpid())
    service = await start_service(app, component, sockets)
    exempt_what_was_started()
    agi_url = "agi://{}:{}/".format(*service.fastagi_address) if service.call_servers else None
    log.info("service.started", fastagi=agi_url, rest=service.api_url, data=str(loaded.data.folder))
    addresses = {"Asterisk": agi_url, "programs": service.api_url}
    # One write: a reader that waits for the first line only may close the pipe before a second write.
    typer.echo("\n".join(f"ivr: ready for {client} at {url}" for client, url in addresses.items() if url))
    service_manager.notify_ready(", ".join(url for url in addresses.values() if url))
    await stop.wait()
    service_manager.notify_stopping()
    await service.stop()
    log.info("service.stopped")
