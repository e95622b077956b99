"""One running service, from its start to its stop."""

from __future__ import annotations

from dataclasses import dataclass

from ivr.api.asgi import build_asgi_app
from ivr.api.server import ApiServer, ListenAddress
from ivr.app import App
from ivr.service.background import BackgroundTasks, start_background_tasks
from ivr.service.call_servers import CallServers, start_call_servers


@dataclass(frozen=True)
class Service:
    """A running service and where it listens for Asterisk."""

    app: App
    call_servers: CallServers | None
    background_tasks: BackgroundTasks | None = None
    api: ApiServer | None = None
    api_url: str | None = None
    """Where REST is spoken."""

    @property
    def fastagi_address(self) -> tuple[str, int]:
        """Where it listens for Asterisk."""
        assert self.call_servers, "it takes no calls"
        return self.call_servers.fastagi_address

    async def stop(self) -> None:
        """Give the calls in progress back to the dialplan and let go of everything."""
        if self.api:
            await self.api.stop()
        if self.call_servers:
            await self.call_servers.stop()
        if self.background_tasks:
            await self.background_tasks.stop()
        await self.app.conversion_pool.close()
        self.app.close()


async def start_service(app: App, component: str | None = None) -> Service:
    """Begin to take calls and to speak REST, or `only` one of "calls" and "api".

    Raises `SettingsError`, also for an address in use, and `CatalogueError`.
    """
    api, url = (None, None) if component == "calls" else await _start_api(app)
    try:
        calls = None if component == "api" else await start_call_servers(app)
        following = None if component == "api" else await start_background_tasks(app)
    except BaseException:
        if api:
            await api.stop()
        raise
    return Service(app, calls, following, api, url)


async def _start_api(app: App) -> tuple[ApiServer, str]:
    where = app.settings.api
    app.api_services.renditions.clear()
    app.api_services.uploads.clear()
    api = ApiServer(
        build_asgi_app(app.api_services),
        ListenAddress(where.host, where.port, where.certificate, where.key, where.proxies),
    )
    return api, await api.start()
