"""The data folder and the stores of an installation: of rows, and of recordings."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ivr.asterisk_secret import AsteriskSecret
from ivr.clock import Clock, RetentionClock, SystemClock
from ivr.directory.audit_log import AuditLog
from ivr.directory.pin_lockout import PinLockout
from ivr.directory.secret_store import SecretStore
from ivr.health.facts import FileId, HealthFacts, HealthLimits, file_id
from ivr.health.monitor import HealthMonitor
from ivr.ids import IdGenerator
from ivr.pepper_files import PepperFiles, pepper_path
from ivr.settings import Settings
from ivr.storage.audio_folder import Recordings
from ivr.storage.audio_store import open_audio_store, verify_database_kept, verify_rows_kept
from ivr.storage.data_folder import database_path, state_folder, verify_layout
from ivr.storage.database import Database, parse_database_url
from ivr.storage.process_locks import ProcessLocks
from ivr.storage.protocols import (
    AudioStore,
    AuditStore,
    AuthAttemptStore,
    BoxUsageStore,
    CallLogStore,
    DatabaseFileStore,
    DatabaseMigration,
    HealthStore,
    ImportStore,
    LeaseStore,
    MailboxChangeStore,
    MediaStore,
    MessageStore,
    NodeStore,
    OutboxStore,
    OverviewStore,
    PersonStore,
    ProvisioningStore,
    RetentionStore,
    RowMove,
    StatisticsStore,
    UndeliveredMailStore,
)
from ivr.storage.records import MigrationPlan, ServiceProcess
from ivr.storage.sqlite.audit import SqliteAudit
from ivr.storage.sqlite.authentication import SqliteAuthAttempts, SqliteSecrets
from ivr.storage.sqlite.calls import SqliteCalls
from ivr.storage.sqlite.data_folder_migration import DataFolderMigration
from ivr.storage.sqlite.database import SqliteDatabase
from ivr.storage.sqlite.health import SqliteHealth
from ivr.storage.sqlite.media import SqliteMedia
from ivr.storage.sqlite.messages import SqliteMessages
from ivr.storage.sqlite.outbox import SqliteUndeliveredMail

if TYPE_CHECKING:
    from ivr.call.owner_proof import OwnerProof
    from ivr.directory.credentials import CredentialStore, TokenStore
    from ivr.health.pages import HealthPages
    from ivr.storage.postgresql.url import DatabaseUrl


class Stores:
    """The stores of one installation, each opened on first access.

    `clock`: by default the clock of the machine. `random_bytes(n)` returns n random bytes, for ids and tokens.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.retention_clock = RetentionClock(self.clock)
        self.ids = IdGenerator(random_bytes)
        self.random_bytes = random_bytes

    def close(self) -> None:
        """Commit pending writes, close the database, then release the locks."""
        if "database" in self.__dict__:
            self.database.close()
        if "process_locks" in self.__dict__:
            self.process_locks.release_all()

    def migrate(self) -> MigrationPlan | None:
        """Convert the data folder of an earlier version. Return what was done to its database; None: nothing.

        Raises `StoreError`.
        """
        return self.migration.run()

    @cached_property
    def migration(self) -> DatabaseMigration:
        if self.settings.database.url:
            from ivr.storage.postgresql.schema import PostgresqlMigration

            return PostgresqlMigration(self.database_url)
        return DataFolderMigration(self.settings.data.folder, self.settings.data.busy_timeout_ms)

    @cached_property
    def database(self) -> Database:
        data = self.settings.data
        verify_layout(data.folder)
        if self.settings.database.url:
            from ivr.storage.postgresql.database import PostgresqlDatabase

            return PostgresqlDatabase(
                self.database_url,
                connections=self.settings.database.connections,
                monotonic=self.clock.monotonic,
                on_write=self._measure_write,
                on_empty=lambda: verify_rows_kept(self.database_url, data.folder, self.open_recordings),
            )
        verify_database_kept(data.folder, self.database_files.has_accounts, self.open_recordings)
        return SqliteDatabase(
            database_path(data.folder),
            busy_timeout_ms=data.busy_timeout_ms,
            sync=data.fsync,
            monotonic=self.clock.monotonic,
            on_write=self._measure_write,
        )

    @cached_property
    def database_url(self) -> DatabaseUrl:
        """The address of the database in PostgreSQL. Raises `SettingsError`."""
        return parse_database_url(self.settings.database.url, "database.url")

    def row_move(self, target: str | Path) -> RowMove:
        """Return the move of all rows to an address of PostgreSQL, or to a data folder. Raises `SettingsError`."""
        from ivr.storage.row_move import create_row_move

        data = self.settings.data
        return create_row_move(self.settings.database.url or data.folder, target, data.busy_timeout_ms)

    def _measure_write(self, duration_s: float) -> None:
        """Called in the writer's thread after each change. The stores alone measure nothing."""

    @cached_property
    def opened_folder(self) -> FileId | None:
        """Device and inode of the data folder when this process opened it."""
        return file_id(self.settings.data.folder)

    @cached_property
    def health_store(self) -> HealthStore:
        return SqliteHealth(self.database)

    @cached_property
    def secret_store(self) -> SecretStore:
        return SecretStore(SqliteSecrets(self.database), self.peppers, self.settings.pins.bcrypt_cost)

    @cached_property
    def health_limits(self) -> HealthLimits:
        return HealthLimits()

    @cached_property
    def health_monitor(self) -> HealthMonitor:
        return HealthMonitor(
            lambda: HealthFacts(
                folder=self.settings.data.folder,
                node_folder=self.settings.node_folder,
                pepper_file=pepper_path(self.settings.data.folder, self.settings.pins.pepper_file),
                now=self.clock.now(),
                opened_folder=self.opened_folder,
                limits=self.health_limits,
            ),
            store=self.health_store,
            secret_store=self.secret_store,
            verify_audio=lambda: self.recordings.verify(),
            clock=self.clock,
        )

    @cached_property
    def health_pages(self) -> HealthPages:
        from ivr.health.pages import HealthPages

        return HealthPages(self.health_monitor)

    def open_recordings(self) -> Recordings:
        """Return where recordings are stored; no folder is created. Raises `SettingsError`."""
        settings = self.settings
        return open_audio_store(settings.audio, settings.data.folder, settings.node_folder, self.clock)

    @cached_property
    def recordings(self) -> AudioStore:
        recordings = self.open_recordings()
        recordings.prepare(self.settings.data.folder)  # With recordings elsewhere it has the secrets.
        return recordings

    @cached_property
    def database_files(self) -> DatabaseFileStore:
        """Databases as files; the database of this installation is not opened."""
        from ivr.storage.sqlite.database_file import SqliteDatabaseFile

        return SqliteDatabaseFile()

    @cached_property
    def peppers(self) -> PepperFiles:
        """The secrets that are mixed into hashes of PINs and passwords."""
        configured = self.settings.pins.pepper_file
        return PepperFiles(pepper_path(self.settings.data.folder, configured), may_create=not configured)

    @cached_property
    def asterisk_secret(self) -> AsteriskSecret:
        """The secret that is shared with Asterisk."""
        return AsteriskSecret(self.settings, self.clock)

    @cached_property
    def process_locks(self) -> ProcessLocks:
        return ProcessLocks(state_folder(self.settings.node_folder) / "locks")

    @cached_property
    def process(self) -> ServiceProcess:
        """This process, for other processes and nodes."""
        random_id = self.random_bytes(4).hex()
        return ServiceProcess.create(self.settings.node_name, self.settings.asterisk.system_name, random_id)

    @cached_property
    def messages(self) -> MessageStore:
        return SqliteMessages(self.database, self.clock, self.retention_clock)

    @cached_property
    def media(self) -> MediaStore:
        """Rows of greetings, names and intros."""
        return SqliteMedia(self.database, self.clock)

    @cached_property
    def auth_attempts(self) -> AuthAttemptStore:
        return SqliteAuthAttempts(self.database, self.clock)

    @cached_property
    def call_store(self) -> CallLogStore:
        return SqliteCalls(self.database, self.ids, self.process, self.process_locks)

    @cached_property
    def node_store(self) -> NodeStore:
        from ivr.storage.sqlite.nodes import SqliteNodes

        return SqliteNodes(self.database)

    @cached_property
    def leases(self) -> LeaseStore:
        from ivr.storage.sqlite.nodes import SqliteLeases

        return SqliteLeases(self.database, self.process, self.process_locks)

    def is_alone(self) -> bool:
        """Whether no other process of this node lives: caches in its folder are of processes that have ended."""
        return not self.process_locks.has_other_run(self.process.run_id)

    @cached_property
    def outbox(self) -> OutboxStore:
        from ivr.storage.sqlite.outbox import SqliteOutbox

        return SqliteOutbox(self.database, self.clock, self.process, self.process_locks)

    @cached_property
    def audit_log(self) -> AuditLog:
        return AuditLog(self.audit_store, self.clock)

    @cached_property
    def audit_store(self) -> AuditStore:
        return SqliteAudit(self.database)

    @cached_property
    def undelivered_mail(self) -> UndeliveredMailStore:
        return SqliteUndeliveredMail(self.database)

    @cached_property
    def mailbox_changes(self) -> MailboxChangeStore:
        from ivr.storage.sqlite.statistics import SqliteMailboxChanges

        return SqliteMailboxChanges(self.database)

    @cached_property
    def overview(self) -> OverviewStore:
        from ivr.storage.sqlite.calls import SqliteOverview

        return SqliteOverview(self.database)

    @cached_property
    def retention_store(self) -> RetentionStore:
        from ivr.storage.sqlite.retention import SqliteRetention

        return SqliteRetention(self.database, self.clock)

    @cached_property
    def person_store(self) -> PersonStore:
        from ivr.storage.sqlite.persons import SqlitePersons

        return SqlitePersons(self.database, self.clock)

    @cached_property
    def provisioning_store(self) -> ProvisioningStore:
        from ivr.storage.sqlite.provisioning import SqliteProvisioning

        return SqliteProvisioning(self.database, self.clock)

    @cached_property
    def import_store(self) -> ImportStore:
        from ivr.storage.sqlite.imports import SqliteImports

        return SqliteImports(self.database, self.clock)

    @cached_property
    def pin_lockout(self) -> PinLockout:
        limit = self.settings.pins.account_failures_per_hour
        return PinLockout(self.auth_attempts, self.clock, account_failures_per_hour=limit)

    @cached_property
    def owner_proof(self) -> OwnerProof:
        """How calls prove that they are of our own Asterisk."""
        from ivr.call.owner_proof import OwnerProof

        return OwnerProof(self.asterisk_secret.accepted, self.random_bytes)

    @cached_property
    def credentials(self) -> CredentialStore:
        from ivr.directory.credentials import CredentialStore

        return CredentialStore(SqliteSecrets(self.database), self.peppers, self.settings.pins.bcrypt_cost)

    @cached_property
    def tokens(self) -> TokenStore:
        from ivr.directory.credentials import TokenStore
        from ivr.storage.sqlite.authentication import SqliteTokens

        return TokenStore(SqliteTokens(self.database, self.clock), self.clock, self.random_bytes)

    @cached_property
    def box_usage(self) -> BoxUsageStore:
        from ivr.storage.sqlite.boxes import SqliteBoxUsage

        return SqliteBoxUsage(self.database)

    @cached_property
    def statistics_store(self) -> StatisticsStore:
        from ivr.storage.sqlite.statistics import SqliteStatistics

        return SqliteStatistics(self.database)
