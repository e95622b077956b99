"""The container: builds every object of one installation from one `Settings`, by hand, on its stores (`ivr.stores`).

Each object is built when it is first asked for. What every call needs is imported at the top; the rest is imported
where it is built: a call over classic AGI is a process of its own, and its caller waits for every import.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING

from ivr.clock import Clock
from ivr.directory.directory import Directory
from ivr.mailbox.boxes import Boxes
from ivr.mailbox.delivery import Delivery
from ivr.mailbox.greetings import Greetings, GreetingUploads
from ivr.mailbox.mailbox import Capacity
from ivr.mailbox.pins import Pins
from ivr.mailbox.takes import Takes
from ivr.menus.context import VoicemailServices
from ivr.menus.dialplan_status import Status
from ivr.paths import asterisk_users, load_ami_settings, sounds_folder
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.languages import load_catalogues
from ivr.settings import Settings
from ivr.site_program import SiteProgram
from ivr.storage.data_folder import state_folder, verify_layout
from ivr.storage.read_cache import ReadCache
from ivr.storage.records import TaskKind
from ivr.storage.sqlite.boxes import SqliteBoxes
from ivr.storage.sqlite.directory import SqliteDirectory
from ivr.storage.sqlite.takes import SqliteTakes
from ivr.stores import Stores

if TYPE_CHECKING:
    from ivr.ami.client import AmiClient
    from ivr.api.dependencies import ApiServices
    from ivr.audio.converter import ConversionPool
    from ivr.mailbox.renditions import AudioRenditions
    from ivr.mailbox.uploads import Uploads
    from ivr.metrics.metrics import Metrics
    from ivr.notifications.mwi_targets import MwiTargets
    from ivr.provisioning.provisioning import Provisioning
    from ivr.recovery.fallback_recordings import RecoveryTiming
    from ivr.recovery.recording_recovery import RecordingRecovery
    from ivr.retention.consistency_check import ConsistencyCheck
    from ivr.retention.person_erasure import PersonErasure
    from ivr.retention.worker import RetentionWorker

MAX_CACHED_DOCUMENTS = 1000
RENDITION_FOLDERS = ("renditions", "mail-renditions")
"""Caches of the REST API, and of mails."""


class App(Stores):
    """One installation, ready to be used; `ivr.service` makes it take calls and requests.

    `clock`: the machine's by default. `random_bytes(n)`: for ids and tokens. `count_metrics`: Prometheus reads them.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        count_metrics: bool = True,
    ) -> None:
        super().__init__(settings, clock=clock, random_bytes=random_bytes)
        self._count_metrics = count_metrics

    # -- life ----------------------------------------------------------------------------------------------------------

    def open(self, *, migrate: bool = False) -> App:
        """Open the data folder now, so that what is wrong with it shows at the start. Raises `StoreError`.

        `migrate`: convert that of an earlier version; otherwise it is an error, `MigrationRequired`.
        """
        if migrate:
            self.migrate()
        verify_layout(self.settings.data.folder)
        _ = self.recordings, self.opened_folder, self.database, self.secret_store
        return self

    async def stop_workers(self) -> None:
        """End the child processes, and store what is still to be stored. Call it before `close`, in the same loop."""
        if "audit_log" in self.__dict__:
            await self.audit_log.close()
        if "tokens" in self.__dict__:
            await self.tokens.use.close()
        if "conversion_pool" in self.__dict__:
            await self.conversion_pool.close()

    # -- accounts, users and their secrets -----------------------------------------------------------------------------

    @cached_property
    def read_cache(self) -> ReadCache:  # Accounts and mailboxes as read since the directory changed.
        return ReadCache(self.database.directory_fingerprint, max_entries=MAX_CACHED_DOCUMENTS)

    @cached_property
    def directory(self) -> Directory:
        return Directory(SqliteDirectory(self.database, self.clock), self.ids, self.read_cache)

    # -- the rules of a mailbox ----------------------------------------------------------------------------------------

    @cached_property
    def pins(self) -> Pins:
        change, check = self.settings.pins.change_program, self.settings.pins.check_program
        return Pins(
            secret_store=self.secret_store,
            pin_lockout=self.pin_lockout,
            on_refused=self._count_pin_failure,
            change_program=SiteProgram(change, "[pins] change_program") if change else None,
            check_program=SiteProgram(check, "[pins] check_program") if check else None,
        )

    @cached_property
    def boxes(self) -> Boxes:
        return Boxes(
            store=SqliteBoxes(self.database, self.clock),
            directory=self.directory,
            pins=self.pins,
            voicemail_settings=self.settings.voicemail,
            ids=self.ids,
            read_cache=self.read_cache,
        )

    @cached_property
    def provisioning(self) -> Provisioning:
        from ivr.provisioning.provisioning import Provisioning

        return Provisioning(
            store=self.provisioning_store,
            directory=self.directory,
            boxes=self.boxes,
            pins=self.pins,
            ids=self.ids,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def takes(self) -> Takes:
        return Takes(
            store=SqliteTakes(self.database),
            recordings=self.recordings,
            clock=self.clock,
            ids=self.ids,
            process_locks=self.process_locks,
            node=self.settings.node_name,
        )

    @cached_property
    def delivery(self) -> Delivery:
        return Delivery(
            messages=self.messages,
            takes=self.takes,
            recordings=self.recordings,
            clock=self.clock,
            ids=self.ids,
        )

    @cached_property
    def uploads(self) -> Uploads:
        from ivr.mailbox.uploads import UploadConverter, Uploads
        from ivr.storage.sqlite.media import SqliteUploads

        return Uploads(
            store=SqliteUploads(self.database, self.clock),
            delivery=self.delivery,
            recordings=self.recordings,
            converter=UploadConverter(self.conversion_pool, max_length_s=self.settings.api.max_audio_s),
            clock=self.clock,
            ids=self.ids,
        )

    @cached_property
    def conversion_pool(self) -> ConversionPool:
        from ivr.audio.converter import ConversionPool
        from ivr.audio.ffmpeg import MEGABYTE, DecoderLimits

        api = self.settings.api
        limits = DecoderLimits(cpu_s=api.conversion_cpu_s, memory_bytes=api.conversion_memory_mb * MEGABYTE)
        return ConversionPool(api.conversion_workers, limits=limits, max_waiting_uploads=api.max_waiting_uploads)

    def renditions(self, folder_name: str) -> AudioRenditions:
        """The renditions cached in a folder of this name, which Asterisk cannot enter. A new object each time."""
        from ivr.mailbox.renditions import AudioRenditions

        return AudioRenditions(
            delivery=self.delivery,
            uploads=self.uploads,
            conversion_pool=self.conversion_pool,
            folder=state_folder(self.settings.node_folder) / folder_name,
            clock=self.clock,
        )

    # -- calls ---------------------------------------------------------------------------------------------------------

    @cached_property
    def voicemail_services(self) -> VoicemailServices:
        """What menus work with."""
        return VoicemailServices(
            directory=self.directory,
            boxes=self.boxes,
            messages=self.messages,
            pins=self.pins,
            takes=self.takes,
            delivery=self.delivery,
            greetings=Greetings(store=self.media, takes=self.takes, recordings=self.recordings, clock=self.clock),
            greeting_uploads=GreetingUploads(self.media, self.recordings, self.clock, self.ids),
            capacity=Capacity(messages=self.messages, clock=self.clock),
            undelivered_mail=self.undelivered_mail,
            audit_log=self.audit_log,
            asterisk_name=self.settings.asterisk.system_name,
            verify_storage=self.health_monitor.verify_storage,
            clock=self.clock,
        )

    @cached_property
    def catalogues(self) -> Mapping[str, Catalogue]:
        """The prompts of each language that is installed. Raises `CatalogueError`, `SettingsError`."""
        folder = sounds_folder(self.settings)
        return load_catalogues(folder)

    # -- REST ----------------------------------------------------------------------------------------------------------

    @cached_property
    def api_services(self) -> ApiServices:
        """Services and limits of the REST API."""
        from ivr.api_services import build_api_services

        return build_api_services(self)

    # -- background work -----------------------------------------------------------------------------------------------

    @cached_property
    def mwi_targets(self) -> MwiTargets:
        from ivr.notifications.mwi_targets import MwiTargets
        from ivr.storage.sqlite.counters import SqliteMwiCounts

        system, locks = self.settings.asterisk.system_name, self.process_locks
        return MwiTargets(SqliteMwiCounts(self.database), self.settings.mwi, system, locks)

    @cached_property
    def recovery_timing(self) -> RecoveryTiming:
        from ivr.recovery.fallback_recordings import RecoveryTiming

        return RecoveryTiming(undelivered_days=self.settings.retention.undelivered_days)

    @cached_property
    def recording_recovery(self) -> RecordingRecovery:
        from ivr.recovery.fallback_recordings import FallbackRecordingImporter
        from ivr.recovery.recording_recovery import RecordingRecovery, TakeRecovery

        return RecordingRecovery(
            takes=self.takes,
            take_recovery=TakeRecovery(
                takes=self.takes, boxes=self.boxes, delivery=self.delivery, messages=self.messages
            ),
            fallback_importer=FallbackRecordingImporter(
                boxes=self.boxes,
                delivery=self.delivery,
                recordings=self.recordings,
                clock=self.clock,
                retention_clock=self.retention_clock,
                timing=self.recovery_timing,
            ),
            clock=self.clock,
            is_channel_gone=self.is_channel_gone,
            timing=self.recovery_timing,
        )

    @cached_property
    def is_channel_gone(self) -> Callable[[str], Awaitable[bool | None]]:
        """Tells whether a channel is gone, over AMI; None if that is not known."""
        from ivr.ami.actions import is_channel_gone_or_unknown
        from ivr.call.fastagi.call import always_unknown

        return partial(is_channel_gone_or_unknown, self.ami_client) if self.ami_client else always_unknown

    @cached_property
    def consistency_check(self) -> ConsistencyCheck:
        from ivr.retention.consistency_check import ConsistencyCheck

        return ConsistencyCheck(
            store=self.retention_store,
            directory=self.directory,
            recordings=self.recordings,
            settings=self.settings.retention,
            clock=self.retention_clock,
        )

    @cached_property
    def retention_worker(self) -> RetentionWorker:
        from ivr.retention.rules import RetentionSchedule
        from ivr.retention.worker import RetentionStorage, RetentionWorker

        return RetentionWorker(
            storage=RetentionStorage(
                retention=self.retention_store,
                messages=self.messages,
                recordings=self.recordings,
                leases=self.leases,
                audit_log=self.audit_log,
            ),
            directory=self.directory,
            consistency_check=self.consistency_check,
            schedule=RetentionSchedule(self.settings.retention, self.settings.voicemail, self.retention_clock),
        )

    @cached_property
    def person_erasure(self) -> PersonErasure:
        from ivr.retention.person_erasure import PersonErasure

        return PersonErasure(
            store=self.person_store,
            retention_worker=self.retention_worker,
            recordings=self.recordings,
            renditions=[self.renditions(name) for name in RENDITION_FOLDERS],
            audio_paths=self.delivery.audio_paths,
        )

    @cached_property
    def ami_client(self) -> AmiClient | None:
        """None: no secret is set, so this installation has no connection to Asterisk's manager."""
        if not (ami := load_ami_settings(self.settings)).secret:
            return None
        from ivr.ami.client import AmiClient

        return AmiClient(ami, self.metrics.set_ami_connected, check_peer=asterisk_users(self.settings).require)

    @cached_property
    def metrics(self) -> Metrics:
        from ivr.call.arguments import Action
        from ivr.metrics.metrics import Metrics
        from ivr.notifications.event import EVENT_NAMES

        return Metrics(Action, Status, EVENT_NAMES.values(), TaskKind)

    def _measure_write(self, duration_s: float) -> None:
        metrics: Metrics | None = self.__dict__.get("metrics")  # Nothing is built in the writer's thread.
        if metrics:
            metrics.measure_write(duration_s)

    def _count_pin_failure(self, locked: bool) -> None:
        if self._count_metrics:
            self.metrics.count_pin_failure(locked)
