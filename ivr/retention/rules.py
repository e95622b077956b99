"""What goes, and after how long; the sweeper's contract with the store.

A message passes two gates. First it is out of sight but can be brought back (`ivr message restore`); days later it is
removed: audio, intro, cached forms, transcript. What stays is a tombstone: ids and times, nothing of a person.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ivr.mailbox.voicemail_settings import DAY_S
from ivr.storage.records import RetentionRule

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

    def cutoff(self, rule: RetentionRule, now: float) -> int:
        """Return the Unix time before which rows that entered this state are due.

        Not for `PAST_RETENTION`: its age is a setting of each account.
        """
        days = {
            RetentionRule.DELETED: self.deleted_days,
            RetentionRule.SOFT_DELETED: self.soft_deleted_days,
            RetentionRule.EXPIRED: self.past_retention_days,
            RetentionRule.BOX: self.soft_deleted_days,
            RetentionRule.MEDIA: self.soft_deleted_days,
            RetentionRule.AWAITING_OWNER: self.deleted_days,
            RetentionRule.CALL_RECORD: self.calls_days,
            RetentionRule.AUTH_ATTEMPTS: self.failures_days,
        }
        return int(now) - days[rule] * DAY_S


ROW_AGE_RULES = tuple(rule for rule in RetentionRule if rule is not RetentionRule.PAST_RETENTION)
"""The rules whose age is counted from a time in the row."""
