"""Protocols of the stores: what the rules need of tables and folders. The adapters implement them.

Every method is `async` and finished when it returns: changes are synced to the disk together with their outbox tasks
and counters, in one transaction. All of them raise `StoreError`, or a subclass, if the store fails; nothing has changed
then.
"""

from ivr.storage.protocols.audio import AudioStore
from ivr.storage.protocols.audit import AuditStore
from ivr.storage.protocols.calls import CallLogStore, CallStore, HeartbeatStore
from ivr.storage.protocols.database import DatabaseFileStore, DatabaseMigration, RowMove
from ivr.storage.protocols.directory import (
    AttemptTransaction,
    AuthAttemptStore,
    DirectoryStore,
    ProvisioningStore,
    SecretHashStore,
    TokenRecordStore,
)
from ivr.storage.protocols.health import HealthStore
from ivr.storage.protocols.imports import ImportStore
from ivr.storage.protocols.mailbox import (
    AddOptions,
    BoxStore,
    BoxUsageStore,
    EdgeRecordingStore,
    ListingStore,
    MediaStore,
    MessageStore,
    TakeStore,
    UploadStore,
)
from ivr.storage.protocols.nodes import LeaseStore, NodeStore
from ivr.storage.protocols.outbox import MwiStore, OnCommit, OutboxStore, Transaction, UndeliveredMailStore
from ivr.storage.protocols.persons import PersonStore
from ivr.storage.protocols.retention import RetentionStore
from ivr.storage.protocols.statistics import MailboxChangeStore, OverviewStore, StatisticsStore

__all__ = [
    "AddOptions",
    "AttemptTransaction",
    "AudioStore",
    "AuditStore",
    "AuthAttemptStore",
    "BoxStore",
    "BoxUsageStore",
    "CallLogStore",
    "CallStore",
    "DatabaseFileStore",
    "DatabaseMigration",
    "DirectoryStore",
    "EdgeRecordingStore",
    "HealthStore",
    "HeartbeatStore",
    "ImportStore",
    "LeaseStore",
    "ListingStore",
    "MailboxChangeStore",
    "MediaStore",
    "MessageStore",
    "MwiStore",
    "NodeStore",
    "OnCommit",
    "OutboxStore",
    "OverviewStore",
    "PersonStore",
    "ProvisioningStore",
    "RetentionStore",
    "RowMove",
    "SecretHashStore",
    "StatisticsStore",
    "TakeStore",
    "TokenRecordStore",
    "Transaction",
    "UndeliveredMailStore",
    "UploadStore",
]
