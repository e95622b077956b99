"""Calls from Asterisk: how they come in, over each transport, and what belongs to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import product

from ivr.app import App
from ivr.call.ari.client import AriClient
from ivr.call.ari.connection_registry import ConnectionRegistry
from ivr.call.ari.server import AriServer
from ivr.call.ari.stasis_application import StasisApplication
from ivr.call.fastagi.server import FastAgiLimits, FastAgiServer
from ivr.errors import SettingsError
from ivr.menus import error_prompts
from ivr.menus.call_handler import CallHandler
from ivr.metrics.metrics import Metrics
from ivr.paths import load_asterisk_secret, sounds_folder
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.prompt_cache import PromptCache
from ivr.prompts.voice import LANGUAGES
from ivr.recovery.recording_fsync import Syncing
from ivr.service.heartbeat import InstanceHeartbeat
from ivr.settings import Settings
from ivr.storage.protocols import CallRecord, CallStore, Earlier, LiveCall


@dataclass(frozen=True)
class CallServers:
    """What takes calls while the service runs."""

    fastagi: FastAgiServer
    fastagi_address: tuple[str, int]
    """Where FastAGI is spoken."""
    ari: AriServers | None
    tasks: tuple[asyncio.Task[None], ...]

    async def stop(self) -> None:
        """Take no more calls, and give those in progress back to the dialplan."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.fastagi.stop()
        if self.ari:
            await self.ari.stop()


@dataclass(frozen=True)
class AriServers:
    """Calls over ARI, by a connection that we dial or that Asterisk does."""

    stasis_application: StasisApplication
    connections: ConnectionRegistry
    server: AriServer | None
    tasks: tuple[asyncio.Task[None], ...]

    async def stop(self) -> None:
        await self.stasis_application.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.server:
            await self.server.stop()


async def start_call_servers(app: App) -> CallServers:
    """Raises `SettingsError`, also for an address in use, and `CatalogueError`."""
    settings, clock = app.settings, app.voicemail_services.clock
    catalogues = {name: Catalogue.load(sounds_folder(settings) / name) for name in LANGUAGES}
    sentences = PromptCache(settings.data.folder / "sentences", catalogues, clock.monotonic, settings.sounds.sentences)
    sentences.clear()
    await app.call_store.close_unfinished(int(clock.now()))
    for language, prompt in product(catalogues, error_prompts.ERROR_PROMPTS):
        await asyncio.to_thread(sentences.preload, language, (prompt,))
    counted = MeteredCallStore(app.call_store, app.metrics)
    reception = CallHandler(app.voicemail_services, sentences, counted)
    fastagi = FastAgiServer(
        reception.handle,
        sentences.render_silence(),
        load_asterisk_secret(settings),
        clock.monotonic,
        FastAgiLimits(settings.fastagi.calls, settings.fastagi.header_within_s),
    )
    address = await _start_listening(fastagi, settings)
    try:
        ari = await _start_ari(app, sentences, counted) if settings.ari.password else None
    except BaseException:
        await fastagi.stop()
        raise
    background = [app.recording_recovery.run_forever(), app.retention_worker.run_forever()]
    if settings.data.sync:
        background.append(Syncing(app.recordings.takes).run_forever())
    return CallServers(fastagi, address, ari, tuple(map(asyncio.create_task, background)))


async def _start_ari(app: App, sentences: PromptCache, calls: CallStore) -> AriServers:
    settings, clock, lines = app.settings.ari, app.voicemail_services.clock, ConnectionRegistry()
    reception = CallHandler(app.voicemail_services, sentences, calls, settings.application)
    service = StasisApplication(
        lines,
        reception.handle,
        sentences.render_silence(),
        load_asterisk_secret(app.settings),
        clock.monotonic,
        settings.calls,
    )
    instances = InstanceHeartbeat(settings.application, service, app.call_store, clock)
    listening = AriServer(settings, lines) if settings.listen_port else None
    if listening:
        await listening.start()
    jobs = [instances.run_forever()]
    if not listening or settings.listen_per_call:
        jobs.append(AriClient(settings, lines).run_forever())
    return AriServers(service, lines, listening, tuple(map(asyncio.create_task, jobs)))


class MeteredCallStore:
    """A `CallStore` that counts."""

    def __init__(self, store: CallStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    async def begin(self, call: LiveCall) -> str:
        return await self._store.begin(call)

    async def add(self, call: CallRecord) -> None:
        self._metrics.count_call(call.action, call.status)
        await self._store.add(call)

    async def signed_in(self, call_id: str, box_id: str, own_phone: bool) -> None:
        await self._store.signed_in(call_id, box_id, own_phone)

    async def take_up(self, channel: str, uniqueid: str, now: int) -> Earlier | None:
        return await self._store.take_up(channel, uniqueid, now)


async def _start_listening(server: FastAgiServer, settings: Settings) -> tuple[str, int]:
    host, port = settings.fastagi.host, settings.fastagi.port
    try:
        return await server.start(host, port)
    except OSError as error:
        remedy = "is another 'ivr serve' running? Else let host and port of [fastagi] be others, and IVR_HOST too"
        raise SettingsError(f"cannot listen at {host}:{port}: {error.strerror}: {remedy}") from error
