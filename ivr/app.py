"""Builds every object by hand from one `Settings`: the only place that knows them all."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial

from ivr.ami.client import AmiClient
from ivr.ami.originate import is_channel_gone_or_unknown
from ivr.api.dependencies import ApiLimits, ApiServices
from ivr.audio.converter import ConversionPool
from ivr.call.arguments import Action
from ivr.clock import Clock
from ivr.core import build_core
from ivr.directory.credentials import CredentialStore
from ivr.directory.directory import Directory
from ivr.directory.pin_lockout import PinLockout
from ivr.directory.rate_limit import RateLimiter
from ivr.directory.secret_store import SecretStore
from ivr.directory.tokens import TokenStore
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.bulk import Bulk
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.greeting_uploads import GreetingUploads
from ivr.mailbox.renditions import Forms
from ivr.mailbox.uploads import Uploads
from ivr.menus.context import Status, VoicemailServices
from ivr.metrics.metrics import Metrics
from ivr.recovery.fallback_recordings import Alone
from ivr.recovery.recording_recovery import Adoption, nobody_knows
from ivr.retention.consistency_check import ConsistencyCheck
from ivr.retention.worker import RetentionWorker
from ivr.settings import Settings
from ivr.storage.audio_folder import Recordings
from ivr.storage.process_locks import Attendance
from ivr.storage.protocols import MessageStore
from ivr.storage.sqlite.calls import SqliteCalls
from ivr.storage.sqlite.database import Database
from ivr.storage.sqlite.listing import SqliteLists
from ivr.storage.sqlite.outbox import Outbox
from ivr.storage.sqlite.overview import SqliteOverview
from ivr.storage.sqlite.retention import SqliteRetention
from ivr.storage.sqlite.uploads import SqliteUploads


@dataclass(frozen=True)
class App:
    """One installation, ready to be used; `ivr.service` makes it take calls."""

    settings: Settings
    database: Database
    process_locks: Attendance
    directory: Directory
    boxes: Boxes
    messages: MessageStore
    delivery: Delivery
    recording_recovery: Adoption
    retention_worker: RetentionWorker
    consistency_check: ConsistencyCheck
    recordings: Recordings
    voicemail_services: VoicemailServices
    secret_store: SecretStore
    pin_lockout: PinLockout
    call_store: SqliteCalls
    overview: SqliteOverview
    tokens: TokenStore
    credentials: CredentialStore
    api_services: ApiServices
    """What the REST door is given."""
    conversion_pool: ConversionPool
    outbox: Outbox
    metrics: Metrics
    ami_client: AmiClient | None
    """None: this installation has no connection to Asterisk's manager."""

    def close(self) -> None:
        """Finish what is being written and let go of the data."""
        self.database.close()
        self.process_locks.close()


def build_app(settings: Settings, clock: Clock | None = None) -> App:
    """Open the data folder and build what works on it. Raises `StoreError`, `SettingsError`."""
    metrics = Metrics(Action, Status)
    core = build_core(settings, clock, metrics.count_pin_failure)
    clock, ids, folder, database = core.clock, core.ids, settings.data.folder, core.database
    directory, boxes, messages, delivery = core.directory, core.boxes, core.messages, core.delivery
    recordings = core.recordings
    credentials = CredentialStore(database, core.pepper, settings.pins.cost)
    tokens = TokenStore(database, clock, secrets.token_bytes)
    workshop = ConversionPool(settings.api.workers)
    uploads = Uploads(
        SqliteUploads(database, clock), messages, delivery, recordings, workshop, clock, ids, settings.api.audio_seconds
    )
    tries = RateLimiter(database, clock, settings.api.failures_an_hour)
    rest = ApiServices(
        directory,
        tokens,
        credentials,
        tries,
        boxes,
        messages,
        delivery,
        SqliteLists(database),
        Bulk(messages, delivery),
        uploads,
        Forms(delivery, uploads, workshop, folder / "forms"),
        GreetingUploads(core.media, recordings, clock, ids),
        clock,
        ids,
        _api_limits(settings),
    )
    alone = Alone(directory, boxes, delivery, recordings, clock)
    sweeping = SqliteRetention(database, clock)
    inspection = ConsistencyCheck(sweeping, directory, recordings, settings.sweeping, clock)
    manager = AmiClient(settings.ami, metrics.set_ami_connected) if settings.ami.secret else None
    is_gone = partial(is_channel_gone_or_unknown, manager) if manager else nobody_knows
    return App(
        settings=settings,
        database=database,
        process_locks=core.process_locks,
        directory=directory,
        boxes=boxes,
        messages=messages,
        delivery=delivery,
        recording_recovery=Adoption(core.takes, alone, boxes, delivery, messages, clock, is_gone),
        retention_worker=RetentionWorker(
            sweeping, messages, directory, recordings, inspection, settings.sweeping, settings.voicemail, clock
        ),
        consistency_check=inspection,
        recordings=recordings,
        voicemail_services=core.voicemail_services,
        secret_store=core.secret_store,
        pin_lockout=core.pin_lockout,
        call_store=core.call_store,
        overview=SqliteOverview(database),
        tokens=tokens,
        credentials=credentials,
        api_services=rest,
        conversion_pool=workshop,
        outbox=Outbox(database, clock, secrets.token_hex(4), core.process_locks),
        metrics=metrics,
        ami_client=manager,
    )


def _api_limits(settings: Settings) -> ApiLimits:
    api = settings.api
    return ApiLimits(
        api.json_bytes, api.audio_bytes, api.idle_s, api.owner_only, api.session_hours * 3600, tuple(api.clients)
    )
