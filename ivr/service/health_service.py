"""The health of the running service: its problems in the log, and /healthz and /readyz on a port of their own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ivr.app import App
from ivr.errors import SettingsError
from ivr.health.monitor import HealthMonitor
from ivr.metrics.page_server import PageServer
from ivr.precedence import background
from ivr.validation.networks import format_address


@dataclass(frozen=True)
class HealthService:
    """What watches the service while it runs."""

    monitor: HealthMonitor
    task: asyncio.Task[None]
    """Logs problems when they begin and end."""
    server: PageServer | None
    """None: the pages are served on the port of the REST API."""

    async def stop(self) -> None:
        """Stop watching."""
        if self.server:
            self.server.stop()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.monitor.finish()


async def start_health_service(app: App) -> HealthService:
    """Start watching. Raises `SettingsError` if the port of the pages is in use."""
    host, port = app.settings.health.host, app.settings.health.port
    server = None
    if port:
        server = PageServer(app.health_pages.pages)
        try:
            with background():
                await server.start(host, port)
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {format_address(host, port)}: {error.strerror}: change port in [health]"
            ) from error
    task = asyncio.create_task(app.health_monitor.run_forever())
    return HealthService(monitor=app.health_monitor, task=task, server=server)
