"""Records: frozen dataclasses that the stores accept and return."""

from ivr.storage.records.boxes import BoxRecord, MediaKind, RecordingPurpose, StoredMedia, Take, TakeState
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

__all__ = [
    "GREGORIAN_OFFSET_S",
    "LEASE_S",
    "NEVER_DUE",
    "TOKEN_ID_LENGTH",
    "AccountRecord",
    "AttemptCounter",
    "AttemptKey",
    "BoxMwiCounts",
    "BoxRecord",
    "CallRecord",
    "Caller",
    "ChangeReason",
    "EndpointMwiCounts",
    "EndpointRecord",
    "Folder",
    "FolderCounts",
    "InterruptedCall",
    "LiveCall",
    "MediaKind",
    "Message",
    "OpenFolder",
    "OutboxTask",
    "RecordingPurpose",
    "StoredMedia",
    "Take",
    "TakeState",
    "TaskKind",
    "Token",
    "TokenKind",
    "UserRecord",
]
