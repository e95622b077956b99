"""The servers for calls from Asterisk, FastAGI and ARI, and the tasks that keep recordings safe."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from itertools import product

import structlog

from ivr.app import App
from ivr.call.ari.client import AriClient
from ivr.call.ari.connection import ConnectionRegistry
from ivr.call.ari.server import AriServer
from ivr.call.ari.stasis_application import StasisApplication
from ivr.call.fastagi.call import ChannelCheck
from ivr.call.fastagi.server import FastAgiLimits, FastAgiServer
from ivr.errors import SettingsError, StoreError
from ivr.menus import menu
from ivr.menus.call_handler import CallHandler
from ivr.metrics.metrics import Metrics
from ivr.paths import asterisk_users
from ivr.prompts.prompt_cache import PromptCache
from ivr.recovery.recording_fsync import RecordingFsync
from ivr.service.heartbeat import InstanceHeartbeat
from ivr.service.passed_sockets import PassedSockets
from ivr.settings import Settings
from ivr.storage.protocols import CallStore
from ivr.storage.records import CallRecord, InterruptedCall, LiveCall
from ivr.validation.networks import format_address

log = structlog.get_logger()


@dataclass(frozen=True)
class CallServers:
    """What serves calls while the service runs."""

    fastagi: FastAgiServer
    fastagi_address: tuple[str, int]
    """Host and port of the FastAGI server."""
    ari: AriServers | None
    tasks: tuple[asyncio.Task[None], ...]
    """Recovery, retention and the fsync of recordings in progress."""

    async def stop(self) -> None:
        """Accept no more calls, and return those in progress to the dialplan."""
        await _cancel(self.tasks)
        await self.fastagi.stop()
        if self.ari:
            await self.ari.stop()


@dataclass(frozen=True)
class AriServers:
    """Calls over ARI, on a WebSocket that this service or Asterisk opens."""

    stasis_application: StasisApplication
    connections: ConnectionRegistry
    server: AriServer | None
    """Accepts WebSockets from Asterisk; None if only this service opens one."""
    tasks: tuple[asyncio.Task[None], ...]

    async def stop(self) -> None:
        """Return the calls in progress to the dialplan, and close the connections."""
        await self.stasis_application.stop()
        await _cancel(self.tasks)
        if self.server:
            await self.server.stop()


async def start_call_servers(app: App, sockets: PassedSockets) -> CallServers:
    """Start FastAGI, ARI if it has a password, and the tasks around recordings.

    `sockets`: those that the service manager has passed. Raises `SettingsError`, also for an address in use, and
    `CatalogueError`.
    """
    settings, clock = app.settings, app.clock
    prompt_cache = PromptCache(
        settings.node_folder / "prompt-cache", app.catalogues, clock.monotonic, settings.sounds.prompt_cache_size
    )
    if app.is_alone():
        prompt_cache.clear()
    try:
        await app.call_store.close_unfinished(int(clock.now()))
    except StoreError as error:  # The service starts: it tells readyz and callers that it can store nothing.
        log.warning("calls.not_closed", reason=str(error))
    for language, prompt in product(app.catalogues, menu.ERROR_PROMPTS):
        await asyncio.to_thread(prompt_cache.preload, language, (prompt,))
    call_store = MeteredCallStore(app.call_store, app.metrics)
    handler = CallHandler(app.voicemail_services, prompt_cache, call_store)
    fastagi = FastAgiServer(
        handler.handle,
        prompt_cache.render_silence(),
        app.owner_proof,
        clock.monotonic,
        FastAgiLimits(
            max_calls=settings.fastagi.max_calls,
            header_timeout_s=settings.fastagi.header_timeout_s,
            max_silent=settings.fastagi.max_silent,
            max_silent_per_address=settings.fastagi.max_silent_per_address,
        ),
        ChannelCheck(app.is_channel_gone),
    )
    fastagi_address = await _start_listening(fastagi, settings, sockets)
    try:
        ari = await _start_ari(app, prompt_cache, call_store, sockets) if settings.ari.password else None
    except BaseException:
        await fastagi.stop()
        raise
    loops = [app.recording_recovery.run_forever(), app.retention_worker.run_forever()]
    if settings.data.fsync:
        loops.append(RecordingFsync(app.recordings.takes_folder).run_forever())
    return CallServers(
        fastagi=fastagi, fastagi_address=fastagi_address, ari=ari, tasks=tuple(map(asyncio.create_task, loops))
    )


async def _start_ari(app: App, prompt_cache: PromptCache, call_store: CallStore, sockets: PassedSockets) -> AriServers:
    """Start the Stasis application and its connections, as the settings say who opens them."""
    settings, connections = app.settings.ari, ConnectionRegistry()
    handler = CallHandler(app.voicemail_services, prompt_cache, call_store, settings.application)
    application = StasisApplication(
        connections,
        handler.handle,
        prompt_cache.render_silence(),
        app.owner_proof,
        app.clock.monotonic,
        settings.max_calls,
    )
    heartbeat = InstanceHeartbeat(
        settings.application, application=application, call_store=app.call_store, clock=app.clock
    )
    server = AriServer(settings, connections) if settings.listen_port else None
    client: AriClient | None = None
    if not server or settings.per_call_connections:
        client = AriClient(settings, connections, check_peer=asterisk_users(app.settings).require)
    if server:
        await server.start(sockets.take(settings.listen_host, settings.listen_port))
    loops = [heartbeat.run_forever()]
    if client:
        loops.append(client.run_forever())
    return AriServers(
        stasis_application=application,
        connections=connections,
        server=server,
        tasks=tuple(map(asyncio.create_task, loops)),
    )


class MeteredCallStore:
    """A `CallStore` that counts calls in the metrics."""

    def __init__(self, store: CallStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    async def begin(self, call: LiveCall) -> str:
        return await self._store.begin(call)

    async def finish(self, call: CallRecord) -> None:
        self._metrics.count_call(call.action, call.status)
        await self._store.finish(call)

    async def record_sign_in(self, call_id: str, box_id: str, own_phone: bool) -> None:
        await self._store.record_sign_in(call_id, box_id, own_phone)

    async def take_over(self, channel: str, uniqueid: str, now: int) -> InterruptedCall | None:
        return await self._store.take_over(channel, uniqueid, now)


async def _start_listening(server: FastAgiServer, settings: Settings, sockets: PassedSockets) -> tuple[str, int]:
    """Start the server, and return its host and port. Raises `SettingsError` with a remedy if it cannot listen."""
    host, port = settings.fastagi.host, settings.fastagi.port
    try:
        return await server.start(host, port, sockets.take(host, port))
    except OSError as error:
        remedy = (
            "stop the other 'ivr serve' if one is running, else change host or port in [fastagi],"
            " and IVR_FASTAGI_ADDRESS in Asterisk with it"
        )
        raise SettingsError(f"cannot listen on {format_address(host, port)}: {error.strerror}: {remedy}") from error


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
