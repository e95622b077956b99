"""Calls from Asterisk: how they come in, over each transport, and what belongs to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import product

from ivr.app import App
from ivr.call.ari.dialling import Dialling
from ivr.call.ari.lines import Lines
from ivr.call.ari.listening import Listening
from ivr.call.ari.service import AriService
from ivr.call.fastagi.server import FastAgiLimits, FastAgiServer
from ivr.errors import SettingsError
from ivr.mailbox.store import CallRecord, CallStore, Earlier, LiveCall
from ivr.mailbox.syncing import Syncing
from ivr.menus import apology
from ivr.menus.reception import Reception
from ivr.metrics.metrics import Metrics
from ivr.places import asterisk_secret, sounds_folder
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.sentences import Sentences
from ivr.prompts.voice import LANGUAGES
from ivr.serving.instances import Instances
from ivr.settings import Settings


@dataclass(frozen=True)
class Calls:
    """What takes calls while the service runs."""

    fastagi: FastAgiServer
    address: tuple[str, int]
    """Where FastAGI is spoken."""
    ari: Ari | None
    background: tuple[asyncio.Task[None], ...]

    async def stop(self) -> None:
        """Take no more calls, and give those in progress back to the dialplan."""
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        await self.fastagi.stop()
        if self.ari:
            await self.ari.stop()


@dataclass(frozen=True)
class Ari:
    """Calls over ARI, by a connection that we dial or that Asterisk does."""

    service: AriService
    lines: Lines
    listening: Listening | None
    tasks: tuple[asyncio.Task[None], ...]

    async def stop(self) -> None:
        await self.service.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.listening:
            await self.listening.stop()


async def take_calls(app: App) -> Calls:
    """Raises `SettingsError`, also for an address in use, and `CatalogueError`."""
    settings, clock = app.settings, app.mailroom.clock
    catalogues = {name: Catalogue.load(sounds_folder(settings) / name) for name in LANGUAGES}
    sentences = Sentences(settings.data.folder / "sentences", catalogues, clock.monotonic, settings.sounds.sentences)
    sentences.clear()
    await app.calls.close_left_behind(int(clock.now()))
    for language, prompt in product(catalogues, apology.ALL):
        await asyncio.to_thread(sentences.keep_ready, language, (prompt,))
    counted = CountedCalls(app.calls, app.metrics)
    reception = Reception(app.mailroom, sentences, counted)
    fastagi = FastAgiServer(
        reception.receive, sentences.silence(), asterisk_secret(settings), clock.monotonic,
        FastAgiLimits(settings.fastagi.calls, settings.fastagi.header_within_s),
    )  # fmt: skip
    address = await _listen(fastagi, settings)
    try:
        ari = await _over_ari(app, sentences, counted) if settings.ari.password else None
    except BaseException:
        await fastagi.stop()
        raise
    background = [app.adoption.run(), app.sweeper.run()]
    if settings.data.sync:
        background.append(Syncing(app.recordings.takes).run())
    return Calls(fastagi, address, ari, tuple(map(asyncio.create_task, background)))


async def _over_ari(app: App, sentences: Sentences, calls: CallStore) -> Ari:
    settings, clock, lines = app.settings.ari, app.mailroom.clock, Lines()
    reception = Reception(app.mailroom, sentences, calls, settings.application)
    service = AriService(
        lines, reception.receive, sentences.silence(), asterisk_secret(app.settings), clock.monotonic, settings.calls
    )
    instances = Instances(settings.application, service, app.calls, clock)
    listening = Listening(settings, lines) if settings.listen_port else None
    if listening:
        await listening.start()
    jobs = [instances.run()]
    if not listening or settings.listen_per_call:
        jobs.append(Dialling(settings, lines).run())
    return Ari(service, lines, listening, tuple(map(asyncio.create_task, jobs)))


class CountedCalls:
    """A `CallStore` that counts."""

    def __init__(self, calls: CallStore, metrics: Metrics) -> None:
        self._calls = calls
        self._metrics = metrics

    async def begin(self, call: LiveCall) -> str:
        return await self._calls.begin(call)

    async def add(self, call: CallRecord) -> None:
        self._metrics.call_ended(call.action, call.status)
        await self._calls.add(call)

    async def signed_in(self, call_id: str, box_id: str, own_phone: bool) -> None:
        await self._calls.signed_in(call_id, box_id, own_phone)

    async def take_up(self, channel: str, uniqueid: str, now: int) -> Earlier | None:
        return await self._calls.take_up(channel, uniqueid, now)


async def _listen(fastagi: FastAgiServer, settings: Settings) -> tuple[str, int]:
    host, port = settings.fastagi.host, settings.fastagi.port
    try:
        return await fastagi.start(host, port)
    except OSError as error:
        remedy = "is another 'ivr serve' running? Else let host and port of [fastagi] be others, and IVR_HOST too"
        raise SettingsError(f"cannot listen at {host}:{port}: {error.strerror}: {remedy}") from error
