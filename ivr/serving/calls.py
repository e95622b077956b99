"""Calls from Asterisk: how they come in, over each transport, and what belongs to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import product

from ivr.app import App
from ivr.audio.sound import Sound
from ivr.call.ari.dialling import Dialling
from ivr.call.ari.lines import Lines
from ivr.call.ari.listening import Listening
from ivr.call.ari.service import AriService
from ivr.call.fastagi.server import FastAgiLimits, FastAgiServer
from ivr.errors import SettingsError
from ivr.mailbox.store import CallRecord, CallStore, LiveCall
from ivr.mailbox.syncing import Syncing
from ivr.menus import apology
from ivr.menus.reception import Reception
from ivr.metrics.metrics import Metrics
from ivr.places import asterisk_secret, sounds_folder
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.sentences import Sentences
from ivr.prompts.voice import LANGUAGES
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
    dialling: asyncio.Task[None] | None

    async def stop(self) -> None:
        await self.service.stop()
        if self.dialling:
            self.dialling.cancel()
            await asyncio.gather(self.dialling, return_exceptions=True)
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
    reception = Reception(app.mailroom, sentences, CountedCalls(app.calls, app.metrics))
    fastagi = FastAgiServer(
        reception.receive, sentences.silence(), asterisk_secret(settings), clock.monotonic,
        FastAgiLimits(settings.fastagi.calls, settings.fastagi.header_within_s),
    )  # fmt: skip
    address = await _listen(fastagi, settings)
    try:
        ari = await _over_ari(app, reception, sentences.silence()) if settings.ari.password else None
    except BaseException:
        await fastagi.stop()
        raise
    background = [app.adoption.run(), app.sweeper.run()]
    if settings.data.sync:
        background.append(Syncing(app.recordings.takes).run())
    return Calls(fastagi, address, ari, tuple(map(asyncio.create_task, background)))


async def _over_ari(app: App, reception: Reception, silence: Sound) -> Ari:
    settings = app.settings.ari
    lines = Lines()
    service = AriService(
        lines, reception.receive, silence, asterisk_secret(app.settings), app.mailroom.clock.monotonic, settings.calls
    )
    if not settings.listen_port:
        return Ari(service, lines, None, asyncio.create_task(Dialling(settings, lines).run()))
    listening = Listening(settings, lines)
    await listening.start()
    return Ari(service, lines, listening, None)


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


async def _listen(fastagi: FastAgiServer, settings: Settings) -> tuple[str, int]:
    host, port = settings.fastagi.host, settings.fastagi.port
    try:
        return await fastagi.start(host, port)
    except OSError as error:
        remedy = "is another 'ivr serve' running? Else let host and port of [fastagi] be others, and IVR_HOST too"
        raise SettingsError(f"cannot listen at {host}:{port}: {error.strerror}: {remedy}") from error
