"""Records: frozen dataclasses that the stores accept and return."""

from ivr.storage.records.boxes import MEGABYTE, BoxRecord, MediaKind, RecordingPurpose, StoredMedia, Take, TakeState
from ivr.storage.records.calls import CallRecord, InterruptedCall, LiveCall
from ivr.storage.records.directory import (
    TOKEN_ID_LENGTH,
    AccountRecord,
    AttemptCounter,
    AttemptKey,
    EndpointRecord,
    Token,
    TokenKind,
    UserRecord,
)
from ivr.storage.records.files import StoredFile
from ivr.storage.records.lists import MAX_ROWS_SCANNED, BoxQuery, BoxSummary, MessageQuery, MessageSummary, Page
from ivr.storage.records.messages import (
    GREGORIAN_OFFSET_S,
    Caller,
    ChangeReason,
    Folder,
    FolderCounts,
    Message,
    OpenFolder,
)
from ivr.storage.records.mwi import BoxMwiCounts, EndpointMwiCounts
from ivr.storage.records.outbox import LEASE_S, NEVER_DUE, OutboxTask, TaskKind
from ivr.storage.records.overview import FinishedCall, MwiSummary, Overview, RecentMessage
from ivr.storage.records.retention import DueItem, MediaDirectory, PendingUnlink, RetentionRule, StoredAudio

__all__ = [
    "GREGORIAN_OFFSET_S",
    "LEASE_S",
    "MAX_ROWS_SCANNED",
    "MEGABYTE",
    "NEVER_DUE",
    "TOKEN_ID_LENGTH",
    "AccountRecord",
    "AttemptCounter",
    "AttemptKey",
    "BoxMwiCounts",
    "BoxQuery",
    "BoxRecord",
    "BoxSummary",
    "CallRecord",
    "Caller",
    "ChangeReason",
    "DueItem",
    "EndpointMwiCounts",
    "EndpointRecord",
    "FinishedCall",
    "Folder",
    "FolderCounts",
    "InterruptedCall",
    "LiveCall",
    "MediaDirectory",
    "MediaKind",
    "Message",
    "MessageQuery",
    "MessageSummary",
    "MwiSummary",
    "OpenFolder",
    "OutboxTask",
    "Overview",
    "Page",
    "PendingUnlink",
    "RecentMessage",
    "RecordingPurpose",
    "RetentionRule",
    "StoredAudio",
    "StoredFile",
    "StoredMedia",
    "Take",
    "TakeState",
    "TaskKind",
    "Token",
    "TokenKind",
    "UserRecord",
]
