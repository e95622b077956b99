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
from ivr.cli.support import echo, exit_on_error
from ivr.errors import BadInput
from ivr.precedence import CallsFirstLoop
from ivr.service.passed_sockets import PassedSockets, WorkerSocket
from ivr.service.reload import SettingsReloader
from ivr.service.systemd import ServiceManager, current_service_manager
from ivr.service.worker_processes import WorkerProcess, WorkerProcesses
from ivr.validation.networks import format_address

UMASK = 0o027
"""Recordings are readable by the user of the service and by the group that Asterisk shares, by no other user."""

log = structlog.get_logger()


class Component(StrEnum):
    CALLS = "calls"
    API = "api"


@exit_on_error
def serve(
    only: Component | None = typer.Option(None, help="Start one component. Default: both."),
    workers: int = typer.Option(
        1, min=1, max=64, help="Processes of the REST API, for several processors; needs --only api."
    ),
) -> None:
    """Start the service.

    Serves calls from Asterisk and the REST API, until Ctrl-C or SIGTERM. SIGHUP reads the log settings again.
    """
    if workers == 1:
        with asyncio.Runner(loop_factory=CallsFirstLoop) as runner:
            runner.run(_run_service(only))
    elif only is not Component.API:
        raise BadInput("--workers needs --only api: calls are served by one process, started with --only calls")
    else:
        raise typer.Exit(_run_workers(workers))


def _run_workers(count: int) -> int:
    """Run worker processes of the REST API, and return the exit status.

    Each has a socket of its own at the address, so that each gets its share of the connections. A socket of the service
    manager is shared: then one process may accept all connections that come at once.
    """
    from ivr.api.server import ListenAddress, base_url, bind_socket

    loaded = settings.load()
    logging_setup.configure_logging(loaded.log)
    App(loaded).open(migrate=True).close()  # Once, before there are several processes.
    passed, api = PassedSockets.from_environment(os.environ, os.getpid()), loaded.api
    shared, configured = passed.take(api.host, api.port), ListenAddress(api.host, api.port)
    passed.close_others()
    if not shared:
        bind_socket(configured).close()  # Fails if another service listens there, which could share the port too.
    bound = shared or bind_socket(configured, shares_port=True)  # Reserves the address, and never listens.
    address, url = ListenAddress(*bound.getsockname()[:2]), base_url(bound, has_tls=bool(api.tls_certificate))
    service_manager = current_service_manager()

    def work(worker: WorkerProcess) -> None:
        try:
            listener = shared or bind_socket(address, shares_port=True)
            exit_on_error(asyncio.run)(_run_service(Component.API, WorkerSocket([listener]), worker))
        except typer.Exit as ended:
            raise SystemExit(ended.exit_code) from None

    def report_ready() -> None:
        log.info("service.started", rest=url, workers=count, data=str(loaded.data.folder))
        echo(f"ivr: ready for programs at {url}")
        service_manager.without_watchdog().notify_ready(url)

    processes = WorkerProcesses(count, work, on_ready=report_ready, on_interval=service_manager.ping)
    return processes.run()


async def _run_service(
    component: Component | None = None, sockets: PassedSockets | None = None, worker: WorkerProcess | None = None
) -> None:
    """Run the service. `sockets`: None: those of the service manager. `worker`: this is one of several processes."""
    from ivr.service.garbage_collection import exempt_what_was_started
    from ivr.service.service import start_service  # Other commands start without the web framework.

    os.umask(UMASK)
    loaded = settings.load()
    logging_setup.configure_logging(loaded.log)
    app = App(loaded).open(migrate=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    reloader = SettingsReloader(loaded, settings.load, logging_setup.configure_logging)
    loop.add_signal_handler(signal.SIGHUP, reloader.reload)
    service_manager = ServiceManager() if worker else current_service_manager()
    sockets = sockets or PassedSockets.from_environment(os.environ, os.getpid())
    if worker:
        loop.add_reader(worker.parent_pipe, stop.set)
    service = await start_service(app, component, sockets, watches_health=not worker or worker.number == 0)
    exempt_what_was_started()
    agi_url = f"agi://{format_address(*service.fastagi_address)}/" if service.call_servers else None
    log.info("service.started", fastagi=agi_url, rest=service.api_url, data=str(loaded.data.folder))
    addresses = {"Asterisk": agi_url, "programs": service.api_url}
    if worker:
        worker.on_ready()
    else:
        # One write: a reader that waits for the first line only may close the pipe before a second write.
        echo("\n".join(f"ivr: ready for {client} at {url}" for client, url in addresses.items() if url))
    service_manager.notify_ready(", ".join(url for url in addresses.values() if url))
    await stop.wait()
    service_manager.notify_stopping()
    await service.stop()
    log.info("service.stopped")
