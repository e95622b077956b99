"""Builds every object by hand from one `Settings`: the only place that knows them all."""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ivr.ami.calls import gone_or_unknown
from ivr.ami.manager import Manager
from ivr.api.rooms import Limits, Rooms
from ivr.audio.workshop import Workshop
from ivr.call.arguments import Action
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
from ivr.mailbox.sqlite.overview import SqliteOverview
from ivr.mailbox.sqlite.sweeping import SqliteSweeping
from ivr.mailbox.sqlite.takes import SqliteTakes
from ivr.mailbox.sqlite.uploads import SqliteUploads
from ivr.mailbox.store import MessageStore
from ivr.mailbox.sweeping.inspection import Inspection
from ivr.mailbox.sweeping.sweeper import Sweeper
from ivr.mailbox.takes import Takes
from ivr.mailbox.uploads import Uploads
from ivr.menus.visit import Mailroom, Status
from ivr.metrics.metrics import Metrics
from ivr.notify.outbox import Outbox
from ivr.settings import Settings

SHARE = Path(sys.prefix) / "share" / "ivr"
CHECKOUT = Path(__file__).parent.parent


@dataclass(frozen=True)
class App:
    """One installation, ready to be used; `ivr.serving` makes it take calls."""

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


def build(settings: Settings, clock: Clock | None = None) -> App:
    """Open the data folder and build what works on it. Raises `StoreError`, `SettingsError`."""
    clock = clock or SystemClock()
    ids = Ids(secrets.token_bytes)
    folder = settings.data.folder
    recordings = Recordings(folder)
    recordings.prepare()
    database = Database(folder / "ivr.db", busy_ms=settings.data.busy_ms, sync=settings.data.sync)
    directory = Directory(database, clock, ids)
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
        GreetingUploads(media, directory, recordings, clock, ids), clock, ids, _limits(settings),
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


def _limits(settings: Settings) -> Limits:
    api = settings.api
    return Limits(
        api.json_bytes, api.audio_bytes, api.idle_s, api.owner_only, api.session_hours * 3600, tuple(api.clients)
    )  # fmt: skip


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
