"""Records: frozen dataclasses that the stores accept and return."""

from ivr.storage.records.boxes import BoxRecord, MediaKind, RecordingPurpose, StoredMedia, Take, TakeState
from ivr.storage.records.calls import CallRecord, InterruptedCall, LiveCall
from ivr.storage.records.messages import GREGORIAN_EPOCH, Caller, ChangeReason, Counts, Folder, Message, OpenFolder
from ivr.storage.records.mwi import BoxMwiCounts, EndpointMwiCounts
from ivr.storage.records.outbox import LEASE_S, NEVER_DUE, OutboxTask, TaskKind

__all__ = [
    "GREGORIAN_EPOCH",
    "LEASE_S",
    "NEVER_DUE",
    "BoxMwiCounts",
    "BoxRecord",
    "CallRecord",
    "Caller",
    "ChangeReason",
    "Counts",
    "EndpointMwiCounts",
    "Folder",
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
]
