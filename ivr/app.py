"""Builds every object by hand from one `Settings`: the only place that knows them all."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from ivr.ami.calls import gone_or_unknown
from ivr.ami.manager import Manager
from ivr.api.application import application
from ivr.api.rooms import Limits, Rooms
from ivr.api.server import ApiServer, Listening
from ivr.audio.workshop import Workshop
from ivr.call.arguments import Action
from ivr.call.fastagi.server import FastAgiLimits, FastAgiServer
from ivr.clock import Clock, SystemClock
from ivr.database.file import Database
from ivr.directory.credentials import Credentials
from ivr.directory.directory import Directory
from ivr.directory.failures import Failures
from ivr.directory.secrets import Secrets
from ivr.directory.tokens import Tokens
from ivr.directory.tries import Tries
from ivr.errors import SettingsError, StoreError
from ivr.ids import Ids
from ivr.mailbox.adoption import Adoption, nobody_knows
from ivr.mailbox.alone import Alone
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.bulk import Bulk
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.forms import Forms
from ivr.mailbox.greeting_uploads import GreetingUploads
from ivr.mailbox.greetings import Greetings
from ivr.mailbox.pins import Pins
from ivr.mailbox.recordings import Recordings
from ivr.mailbox.room import Room
from ivr.mailbox.sqlite import outbox as asked
from ivr.mailbox.sqlite.boxes import SqliteBoxes
from ivr.mailbox.sqlite.calls import SqliteCalls
from ivr.mailbox.sqlite.listing import SqliteLists
from ivr.mailbox.sqlite.media import SqliteMedia
from ivr.mailbox.sqlite.messages import SqliteMessages
from ivr.mailbox.sqlite.outbox import Kind
from ivr.mailbox.sqlite.overview import SqliteOverview
from ivr.mailbox.sqlite.sweeping import SqliteSweeping
from ivr.mailbox.sqlite.takes import SqliteTakes
from ivr.mailbox.sqlite.uploads import SqliteUploads
from ivr.mailbox.store import CallRecord, CallStore, LiveCall, MessageStore
from ivr.mailbox.sweeping.inspection import Inspection
from ivr.mailbox.sweeping.sweeper import Sweeper
from ivr.mailbox.syncing import Syncing
from ivr.mailbox.takes import Takes
from ivr.mailbox.uploads import Uploads
from ivr.menus import apology
from ivr.menus.reception import Reception
from ivr.menus.visit import Mailroom, Status
from ivr.metrics.listener import Listener
from ivr.metrics.metrics import Metrics
from ivr.notify import callback, webhook
from ivr.notify.callback import CallBack, CallFollower
from ivr.notify.change import Follower
from ivr.notify.dispatch import Dispatch
from ivr.notify.lane import Lane, RowLane
from ivr.notify.lights import LightLane
from ivr.notify.mail.post import AfterMail, MailFollower, Post
from ivr.notify.mail.smtp import Smtp
from ivr.notify.mail.templates import Templates
from ivr.notify.notifier import Notifier
from ivr.notify.outbox import Outbox
from ivr.notify.targets import Targets
from ivr.notify.transcript.scribe import Scribe
from ivr.notify.transcript.transcriber import WorkerTranscriber
from ivr.notify.webhook import WebhookFollower, Webhooks
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.sentences import Sentences
from ivr.prompts.voice import LANGUAGES
from ivr.settings import Settings

SHARE = Path(sys.prefix) / "share" / "ivr"
CHECKOUT = Path(__file__).parent.parent


@dataclass(frozen=True)
class App:
    """One installation, ready to be used; `serve` makes it take calls."""

    settings: Settings
    database: Database
    directory: Directory
    boxes: Boxes
    messages: MessageStore
    delivery: Delivery
    adoption: Adoption
    sweeper: Sweeper
    inspection: Inspection
    recordings: Recordings
    mailroom: Mailroom
    secrets: Secrets
    failures: Failures
    calls: SqliteCalls
    overview: SqliteOverview
    tokens: Tokens
    credentials: Credentials
    rest: Rooms
    """What the REST door is given."""
    workshop: Workshop
    outbox: Outbox
    metrics: Metrics
    manager: Manager | None
    """None: this installation has no connection to Asterisk's manager."""

    def close(self) -> None:
        """Finish what is being written and let go of the data."""
        self.database.close()


@dataclass(frozen=True)
class Following:
    """What a running service does behind the calls."""

    notifier: Notifier
    counts: Listener
    connecting: asyncio.Task[None] | None

    async def stop(self) -> None:
        """Let what is nearly done end, and go."""
        await self.notifier.stop()
        self.counts.stop()
        if self.connecting:
            self.connecting.cancel()


@dataclass(frozen=True)
class Service:
    """A running service and where it listens for Asterisk."""

    app: App
    fastagi: FastAgiServer | None
    agi: tuple[str, int] | None
    background: tuple[asyncio.Task[None], ...]
    following: Following | None = None
    api: ApiServer | None = None
    url: str | None = None
    """Where REST is spoken."""

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens for Asterisk."""
        assert self.agi, "it takes no calls"
        return self.agi

    async def stop(self) -> None:
        """Give the calls in progress back to the dialplan and let go of everything."""
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        if self.api:
            await self.api.stop()
        if self.fastagi:
            await self.fastagi.stop()
        if self.following:
            await self.following.stop()
        await self.app.workshop.close()
        self.app.close()


def build(settings: Settings, clock: Clock | None = None) -> App:
    """Open the data folder and build what works on it. Raises `StoreError`, `SettingsError`."""
    clock = clock or SystemClock()
    ids = Ids(secrets.token_bytes)
    folder = settings.data.folder
    recordings = Recordings(folder)
    recordings.prepare()
    database = Database(folder / "ivr.db", busy_ms=settings.data.busy_ms, sync=settings.data.sync)
    directory = Directory(database, clock, ids, asked.phone)
    pepper = _secret_file(folder / "pepper").encode()
    kept = Secrets(database, pepper, settings.pins.cost)
    credentials = Credentials(database, pepper, settings.pins.cost)
    tokens = Tokens(database, clock, secrets.token_bytes)
    failures = Failures(database, clock, asked.locked)
    metrics = Metrics(Action, Status)
    pins = Pins(kept, failures, metrics.pin_refused)
    boxes = Boxes(SqliteBoxes(database, clock), directory, pins, settings.voicemail, ids)
    messages = SqliteMessages(database, clock)
    takes = Takes(SqliteTakes(database), recordings, clock, ids)
    delivery = Delivery(messages, takes, recordings, clock, ids)
    media = SqliteMedia(database, clock)
    greetings = Greetings(media, takes, recordings, clock)
    workshop = Workshop(settings.api.workers)
    uploads = Uploads(
        SqliteUploads(database, clock), messages, delivery, recordings, workshop, clock, ids, settings.api.audio_seconds
    )
    tries = Tries(database, clock, settings.api.failures_an_hour)
    rest = Rooms(
        directory, tokens, credentials, tries, boxes, messages, delivery, SqliteLists(database),
        Bulk(messages, delivery), uploads, Forms(delivery, uploads, workshop, folder / "forms"),
        GreetingUploads(media, recordings, clock, ids), clock, ids, _limits(settings),
    )  # fmt: skip
    alone = Alone(directory, boxes, delivery, recordings, clock)
    sweeping = SqliteSweeping(database, clock)
    inspection = Inspection(sweeping, directory, recordings, settings.sweeping, clock)
    manager = Manager(settings.ami, metrics.asterisk_is_there) if settings.ami.secret else None
    is_gone = partial(gone_or_unknown, manager) if manager else nobody_knows
    return App(
        settings=settings, database=database, directory=directory, boxes=boxes, messages=messages, delivery=delivery,
        adoption=Adoption(takes, alone, boxes, delivery, messages, clock, is_gone),
        sweeper=Sweeper(
            sweeping, messages, directory, recordings, inspection, settings.sweeping, settings.voicemail, clock
        ),
        inspection=inspection, recordings=recordings,
        mailroom=Mailroom(
            directory, boxes, messages, pins, takes, delivery, greetings, Room(messages, clock), settings.voicemail,
            settings.asterisk.system, clock,
        ),
        secrets=kept, failures=failures, calls=SqliteCalls(database, ids),
        overview=SqliteOverview(database), tokens=tokens, credentials=credentials, rest=rest, workshop=workshop,
        outbox=Outbox(database, clock, secrets.token_hex(4)), metrics=metrics, manager=manager,
    )  # fmt: skip


async def serve(app: App, only: str | None = None) -> Service:
    """Begin to take calls and to speak REST, or `only` one of "calls" and "api".

    Raises `SettingsError`, also for an address in use, and `CatalogueError`.
    """
    api, url = (None, None) if only == "calls" else await _serve_rest(app)
    try:
        fastagi, address, background = (None, None, ()) if only == "api" else await _serve_calls(app)
        following = None if only == "api" else await _follow(app)
    except BaseException:
        if api:
            await api.stop()
        raise
    return Service(app, fastagi, address, background, following, api, url)


async def _serve_rest(app: App) -> tuple[ApiServer, str]:
    where = app.settings.api
    app.rest.forms.clear()
    app.rest.uploads.clear()
    api = ApiServer(
        application(app.rest), Listening(where.host, where.port, where.certificate, where.key, where.proxies)
    )
    return api, await api.start()


async def _serve_calls(app: App) -> tuple[FastAgiServer, tuple[str, int], tuple[asyncio.Task[None], ...]]:
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
    background = [app.adoption.run(), app.sweeper.run()]
    if settings.data.sync:
        background.append(Syncing(app.recordings.takes).run())
    return fastagi, address, tuple(map(asyncio.create_task, background))


async def _follow(app: App) -> Following:
    """Do what follows changes, whichever process makes them."""
    notifier = Notifier(app.outbox, lanes(app, app.manager))
    await notifier.start()
    counts = Listener(partial(counted, app))
    if app.settings.metrics.port:
        await counts.start(app.settings.metrics.host, app.settings.metrics.port)
    connecting = asyncio.create_task(app.manager.run()) if app.manager else None
    return Following(notifier, counts, connecting)


def lanes(app: App, manager: Manager | None) -> list[Lane]:
    """Who does what the outbox asks for. What is slow in one holds nothing back in another."""
    settings, clock, outbox = app.settings, app.mailroom.clock, app.outbox
    lane = partial(
        RowLane, outbox=outbox, clock=clock, retry_s=settings.notify.retry_s, told=app.metrics.notified
    )  # fmt: skip
    mails = bool(settings.mail.host)
    calls = manager if settings.notify.call_context else None
    followers: list[Follower] = [
        MailFollower(settings.notify, mails=mails, transcribes=settings.transcript.understands),
        WebhookFollower(),
        *([CallFollower(settings.notify)] if calls else []),
    ]
    dispatch = Dispatch(app.boxes, app.messages, app.failures, clock, followers, app.metrics.changed)
    found: list[Lane] = [
        lane("changes", {**dispatch.handlers, **AfterMail(app.boxes, app.messages).handlers}),
        LightLane(outbox, app.database, clock, Targets(settings.lights, settings.asterisk.system), manager),
        lane("webhooks", Webhooks(app.directory, clock).handlers, at_once=webhook.AT_ONCE),
    ]
    if mails:
        forms = Forms(app.delivery, app.rest.uploads, app.workshop, settings.data.folder / "mail-forms")
        forms.clear()
        post = Post(
            app.boxes,
            app.messages,
            forms,
            clock,
            Templates(settings.mail.templates),
            Smtp(settings.mail),
            settings.mail,
        )
        found.append(lane("mail", post.handlers, at_once=settings.mail.at_once))
    if settings.transcript.engine != "off":
        transcriber = WorkerTranscriber(settings.transcript)
        scribe = Scribe(app.boxes, app.messages, app.delivery, transcriber, clock, mails=mails)
        found.append(lane("transcripts", scribe.handlers))
    if calls:
        call_back = CallBack(app.boxes, app.messages, outbox, clock, calls, settings.notify)
        found.append(lane("calls", call_back.handlers, at_once=callback.AT_ONCE))
    return found


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


async def counted(app: App) -> bytes:
    """What Prometheus reads."""
    waiting = {str(kind): rows for kind, rows in (await app.outbox.ages()).items()}
    app.metrics.outbox(Kind, waiting, await app.outbox.given_up())
    return app.metrics.text()


def _limits(settings: Settings) -> Limits:
    api = settings.api
    return Limits(
        api.json_bytes, api.audio_bytes, api.idle_s, api.owner_only, api.session_hours * 3600, tuple(api.clients)
    )  # fmt: skip


async def _listen(fastagi: FastAgiServer, settings: Settings) -> tuple[str, int]:
    host, port = settings.fastagi.host, settings.fastagi.port
    try:
        return await fastagi.start(host, port)
    except OSError as error:
        remedy = "is another 'ivr serve' running? Else let host and port of [fastagi] be others, and IVR_HOST too"
        raise SettingsError(f"cannot listen at {host}:{port}: {error.strerror}: {remedy}") from error


def sounds_folder(settings: Settings) -> Path:
    """The prompts: where the settings say, else beside the package, else where a wheel puts them."""
    places = [settings.sounds.folder] if settings.sounds.folder else [CHECKOUT / "sounds", SHARE / "sounds"]
    found = next((place for place in places if place and place.is_dir()), None)
    if found is None:
        raise SettingsError(f"there are no prompts at {' or '.join(map(str, places))}: set sounds.folder")
    return found


def share_folder() -> Path:
    """What came with ivr beside its code: asterisk-conf/, sounds/, systemd/. Raises `SettingsError`."""
    found = next((place for place in (CHECKOUT, SHARE) if (place / "asterisk-conf").is_dir()), None)
    if found is None:
        raise SettingsError(f"there is neither {CHECKOUT / 'asterisk-conf'} nor {SHARE}: install the package again")
    return found


def asterisk_secret(settings: Settings) -> str:
    """What our own Asterisk knows and nobody else: `asterisk.secret`, else a file that the first start makes."""
    return settings.asterisk.secret or _secret_file(settings.data.folder / "asterisk-secret")


def _secret_file(path: Path) -> str:
    """A secret that only this user can read, made at random when it is first needed."""
    try:
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(handle)
        return path.read_text().strip()
    except OSError as error:
        raise StoreError(f"{path} cannot be read or made: {error}") from error
