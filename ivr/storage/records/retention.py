"""Records of retention: rows that are due, and files that remain."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath


class RetentionRule(StrEnum):
    """A step of retention; the value is the reason, as logs and tombstones show it."""

    PAST_RETENTION = "message past retention: hidden"
    DELETED = "message long in deleted: soft-deleted"
    SOFT_DELETED = "message soft-deleted: removed"
    EXPIRED = "message long past retention: removed"
    BOX = "box deleted: removed"
    MEDIA = "greeting or name replaced: removed"
    AWAITING_OWNER = "recording without a decision of its owner: removed"
    CALL_RECORD = "record of a call: removed"
    AUTH_ATTEMPTS = "failed PIN and login attempts: removed"
    AUDIT = "entry of the audit log: removed"


@dataclass(frozen=True, slots=True)
class DueItem:
    """A row that a rule applies to. `since`: Unix seconds at which it entered its current state."""

    rule: RetentionRule
    id: str
    account_id: str
    box_id: str
    since: int


@dataclass(frozen=True, slots=True)
class PendingUnlink:
    """Files of a row that was removed; `stems` are paths below the data folder, without a suffix."""

    id: str
    stems: tuple[PurePosixPath, ...]


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """A message, and the files that must exist for it."""

    message_id: str
    recording: str
    account_id: str
    box_id: str
    intro_id: str | None


class MediaDirectory(StrEnum):
    """The folders of an account that contain audio files, and `takes`; the value is the name of the folder."""

    MESSAGES = "vm"
    MEDIA = "media"
    TAKES = "takes"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a media directory."""

    id: str
    """The id of the row that it should belong to; "" for a draft, which belongs to none."""
    path: Path
    changed_at: float
    """Unix seconds at which the file got this name (a link to an old file is young)."""
