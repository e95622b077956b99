"""Records of retention: what is due, and which files are left."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath


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


@dataclass(frozen=True, slots=True)
class DueItem:
    """Something whose time has come. `since`: Unix seconds at which it came to the state that it is in."""

    rule: RetentionRule
    id: str
    account_id: str
    box_id: str
    since: int


@dataclass(frozen=True, slots=True)
class PendingUnlink:
    """Files of something that was removed; `stems` are paths below the data folder, without an ending."""

    id: str
    stems: tuple[PurePosixPath, ...]


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """A message and the files that must be there for it."""

    message_id: str
    recording: str
    account_id: str
    box_id: str
    intro_id: str | None


class MediaDirectory(StrEnum):
    """The folders of an account in which files lie, and `takes`; the value is the folder's name."""

    MESSAGES = "vm"
    MEDIA = "media"
    TAKES = "takes"
