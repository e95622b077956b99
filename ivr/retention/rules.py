"""What goes, and after how long; the sweeper's contract with the store.

A message passes two gates. First it is out of sight but can be brought back (`ivr message restore`); days later it is
removed: audio, intro, cached forms, transcript. What stays is a tombstone: ids and times, nothing of a person.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

from ivr.mailbox.voicemail_settings import DAY_S

Days = Annotated[int, Field(ge=1, le=36_500)]


REPLACED_AUDIO_GRACE_S = 3600
"""Whoever began to hear audio that is replaced then hears that to its end; no call and no download takes so long."""


class RetentionSettings(BaseModel):
    """How long what is on its way out is still there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every_s: Annotated[int, Field(ge=1, le=7 * DAY_S)] = Field(3600, description="Seconds between two turns.")
    deleted_days: Days = Field(30, description="Days in the folder deleted, where the phone can still restore it.")
    soft_deleted_days: Days = Field(
        7, description="Days out of sight, where `ivr message restore` still brings it back; boxes and greetings too."
    )
    past_retention_days: Days = Field(30, description="Days that a message past retention is still stored, hidden.")
    calls_days: Days = Field(30, description="Days that the record of a call is kept.")
    failures_days: Days = Field(30, description="Days after which wrong PINs are forgotten.")
    stray_days: Days = Field(
        7, description="Days after which a file that belongs to nothing is removed: a crash can leave one."
    )


class RetentionRule(StrEnum):
    """Each is one step on the way out; the value is the reason as a person reads it."""

    PAST_RETENTION = "message past retention: hidden"
    DELETED = "message long in deleted: soft-deleted"
    SOFT_DELETED = "message soft-deleted: removed"
    EXPIRED = "message long past retention: removed"
    BOX = "box deleted: removed"
    MEDIA = "greeting or name replaced: removed"
    AWAITING_OWNER = "recording that its owner never decided about: removed"
    CALL_RECORD = "record of a call: removed"
    AUTH_ATTEMPTS = "wrong PINs: forgotten"

    def cutoff(self, now: float, settings: RetentionSettings) -> int:
        """Unix seconds; what came to this state earlier goes. (Retention is each account's own, so not here.)"""
        days = {
            RetentionRule.DELETED: settings.deleted_days,
            RetentionRule.SOFT_DELETED: settings.soft_deleted_days,
            RetentionRule.EXPIRED: settings.past_retention_days,
            RetentionRule.BOX: settings.soft_deleted_days,
            RetentionRule.MEDIA: settings.soft_deleted_days,
            RetentionRule.AWAITING_OWNER: settings.deleted_days,
            RetentionRule.CALL_RECORD: settings.calls_days,
            RetentionRule.AUTH_ATTEMPTS: settings.failures_days,
        }
        return int(now) - days[self] * DAY_S


ROW_AGE_RULES = tuple(rule for rule in RetentionRule if rule is not RetentionRule.PAST_RETENTION)
"""The rules whose age is counted from a time in the row."""


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


class RetentionStore(Protocol):
    """What the sweeper asks of the store. Every `limit` bounds the rows that are read."""

    async def messages_past_retention(self, account_id: str, not_before: int, limit: int) -> list[DueItem]:
        """Messages of an account that have just passed retention."""

    async def find_due(self, rule: RetentionRule, cutoff: int, limit: int) -> list[DueItem]:
        """What a rule would take, oldest first; changes nothing."""

    async def apply_rule(self, rule: RetentionRule, cutoff: int, limit: int) -> list[DueItem]:
        """Do it, in one transaction; what was done. Files of what is removed become leftovers."""

    async def pending_unlinks(self, limit: int) -> list[PendingUnlink]:
        """What was removed, and still has files; of audio that was replaced, what nobody can be at any more."""

    async def mark_unlinked(self, ids: Sequence[str]) -> None:
        """The files of these leftovers are away."""

    async def unused_media(self, after: str, cutoff: int, limit: int) -> tuple[str | None, list[str]]:
        """Of the `limit` greetings and names behind the id `after`, those made before `before` that no box and no
        user has any more; and the last id looked at, None at the end."""

    async def soft_delete_media(self, media_ids: Sequence[str]) -> None:
        """Soft-delete them, unless they came into use meanwhile."""

    async def existing_ids(self, media_directory: MediaDirectory, ids: Collection[str]) -> set[str]:
        """Those of `ids` that something in the store belongs to, be it hidden or not."""

    async def stored_audio(self, after: str, limit: int) -> tuple[str | None, list[StoredAudio]]:
        """Of the `limit` messages behind the id `after`, those that can be heard; and the last id looked at, None at
        the end."""
