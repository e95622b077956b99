"""Builds every object by hand from one `Settings`: the only place that knows them all."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial

from ivr.ami.calls import gone_or_unknown
from ivr.ami.manager import Manager
from ivr.api.rooms import Limits, Rooms
from ivr.audio.workshop import Workshop
from ivr.call.arguments import Action
from ivr.clock import Clock
from ivr.core import build_core
from ivr.database.file import Database
from ivr.directory.credentials import Credentials
from ivr.directory.directory import Directory
from ivr.directory.failures import Failures
from ivr.directory.secrets import Secrets
from ivr.directory.tokens import Tokens
from ivr.directory.tries import Tries
from ivr.mailbox.adoption import Adoption, nobody_knows
from ivr.mailbox.alone import Alone
from ivr.mailbox.attendance import Attendance
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.bulk import Bulk
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.forms import Forms
from ivr.mailbox.greeting_uploads import GreetingUploads
from ivr.mailbox.recordings import Recordings
from ivr.mailbox.sqlite.calls import SqliteCalls
from ivr.mailbox.sqlite.listing import SqliteLists
from ivr.mailbox.sqlite.overview import SqliteOverview
from ivr.mailbox.sqlite.sweeping import SqliteSweeping
from ivr.mailbox.sqlite.uploads import SqliteUploads
from ivr.mailbox.store import MessageStore
from ivr.mailbox.sweeping.inspection import Inspection
from ivr.mailbox.sweeping.sweeper import Sweeper
from ivr.mailbox.uploads import Uploads
from ivr.menus.visit import Mailroom, Status
from ivr.metrics.metrics import Metrics
from ivr.notify.outbox import Outbox
from ivr.settings import Settings


@dataclass(frozen=True)
class App:
    """One installation, ready to be used; `ivr.serving` makes it take calls."""

    settings: Settings
    database: Database
    attendance: Attendance
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
        self.attendance.close()


def build(settings: Settings, clock: Clock | None = None) -> App:
    """Open the data folder and build what works on it. Raises `StoreError`, `SettingsError`."""
    metrics = Metrics(Action, Status)
    core = build_core(settings, clock, metrics.pin_refused)
    clock, ids, folder, database = core.clock, core.ids, settings.data.folder, core.database
    directory, boxes, messages, delivery = core.directory, core.boxes, core.messages, core.delivery
    recordings = core.recordings
    credentials = Credentials(database, core.pepper, settings.pins.cost)
    tokens = Tokens(database, clock, secrets.token_bytes)
    workshop = Workshop(settings.api.workers)
    uploads = Uploads(
        SqliteUploads(database, clock), messages, delivery, recordings, workshop, clock, ids, settings.api.audio_seconds
    )
    tries = Tries(database, clock, settings.api.failures_an_hour)
    rest = Rooms(
        directory, tokens, credentials, tries, boxes, messages, delivery, SqliteLists(database),
        Bulk(messages, delivery), uploads, Forms(delivery, uploads, workshop, folder / "forms"),
        GreetingUploads(core.media, recordings, clock, ids), clock, ids, _limits(settings),
    )  # fmt: skip
    alone = Alone(directory, boxes, delivery, recordings, clock)
    sweeping = SqliteSweeping(database, clock)
    inspection = Inspection(sweeping, directory, recordings, settings.sweeping, clock)
    manager = Manager(settings.ami, metrics.asterisk_is_there) if settings.ami.secret else None
    is_gone = partial(gone_or_unknown, manager) if manager else nobody_knows
    return App(
        settings=settings, database=database, attendance=core.attendance, directory=directory, boxes=boxes,
        messages=messages, delivery=delivery,
        adoption=Adoption(core.takes, alone, boxes, delivery, messages, clock, is_gone),
        sweeper=Sweeper(
            sweeping, messages, directory, recordings, inspection, settings.sweeping, settings.voicemail, clock
        ),
        inspection=inspection, recordings=recordings, mailroom=core.mailroom, secrets=core.secrets,
        failures=core.failures, calls=core.calls, overview=SqliteOverview(database), tokens=tokens,
        credentials=credentials, rest=rest, workshop=workshop,
        outbox=Outbox(database, clock, secrets.token_hex(4), core.attendance), metrics=metrics, manager=manager,
    )  # fmt: skip


def _limits(settings: Settings) -> Limits:
    api = settings.api
    return Limits(
        api.json_bytes, api.audio_bytes, api.idle_s, api.owner_only, api.session_hours * 3600, tuple(api.clients)
    )  # fmt: skip
