"""The running service, from its start to its stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ivr.api.asgi import build_asgi_app
from ivr.api.http_protocol import ConnectionLimits
from ivr.api.server import ApiServer, ListenAddress
from ivr.app import App
from ivr.page_services import build_page
from ivr.service.background import BackgroundTasks, start_background_tasks
from ivr.service.call_servers import CallServers, start_call_servers
from ivr.service.health_service import HealthService, start_health_service
from ivr.service.node_presence import NodePresence
from ivr.service.passed_sockets import PassedSockets
from ivr.validation.time_zones import zones_by_name
from ivr.web.live_updates import MAX_STREAMS


@dataclass(frozen=True)
class Service:
    """A running service. `call_servers` and `background_tasks` are None if it serves REST only."""

    app: App
    call_servers: CallServers | None
    background_tasks: BackgroundTasks | None = None
    api: ApiServer | None = None
    api_url: str | None = None
    """Base URL of the REST API; None if it serves calls only."""
    health: HealthService | None = None

    @property
    def fastagi_address(self) -> tuple[str, int]:
        """Host and port of the FastAGI server."""
        assert self.call_servers, "this service serves REST only"
        return self.call_servers.fastagi_address

    async def stop(self) -> None:
        """Return the calls in progress to the dialplan, stop everything, and close the app."""
        if self.api:
            await self.api.stop()
        if self.health:
            await self.health.stop()
        if self.call_servers:
            await self.call_servers.stop()
        if self.background_tasks:
            await self.background_tasks.stop()
        await self.app.stop_workers()
        self.app.close()


async def start_service(
    app: App, component: str | None = None, sockets: PassedSockets | None = None, *, watches_health: bool = True
) -> Service:
    """Start calls and REST, or only the `component` "calls" or "api".

    `sockets`: those that the service manager has passed. `watches_health`: of several processes, one does. Raises
    `SettingsError`, also for an address in use, settings that other nodes contradict, `PepperChanged` and
    `CatalogueError`.
    """
    sockets = sockets or PassedSockets()
    await app.secret_store.verify_pepper()
    await app.secret_store.forget_unused_peppers()
    app.retention_clock.review(await app.leases.trusted_time())
    presence = None if component == "api" else NodePresence(app)
    if presence:
        await presence.register()
    health = await start_health_service(app) if watches_health else None
    api, api_url = None, None
    try:
        if component != "calls":
            api, api_url = await _start_api(app, sockets)
        call_servers = None if component == "api" else await start_call_servers(app, sockets)
        background_tasks = await start_background_tasks(app, presence) if presence else None
        sockets.close_others()
    except BaseException:
        if api:
            await api.stop()
        if health:
            await health.stop()
        raise
    return Service(
        app=app,
        call_servers=call_servers,
        background_tasks=background_tasks,
        api=api,
        api_url=api_url,
        health=health,
    )


async def _start_api(app: App, sockets: PassedSockets) -> tuple[ApiServer, str]:
    """Start the REST API, and return it with its base URL. Drafts of an earlier run are removed."""
    api = app.settings.api
    app.api_services.audio.renditions.remove_stale()
    app.api_services.audio.uploads.remove_stale_drafts()
    await asyncio.to_thread(zones_by_name)  # Else the first wrong time zone would hold calls up.
    page = build_page(app)
    await asyncio.to_thread(page.compile_templates)
    server = ApiServer(
        build_asgi_app(app.api_services, page),
        ListenAddress(
            host=api.host,
            port=api.port,
            tls_certificate=api.tls_certificate,
            tls_key=api.tls_key,
            trusted_proxies=api.trusted_proxies,
            connection_limits=ConnectionLimits(
                head_timeout_s=api.head_timeout_s,
                send_timeout_s=api.send_timeout_s,
                max_connections=api.max_connections + (MAX_STREAMS if app.settings.page.enabled else 0),
                max_per_address=api.max_connections_per_address,
                clock=app.clock,
                ids=app.ids,
                exempt_addresses=frozenset(address.strip() for address in api.trusted_proxies.split(",")),
            ),
        ),
        on_stop=page.close,
    )
    return server, await server.start(sockets.take(api.host, api.port))
