"""Retention settings: when a rule applies.

A message is removed in two stages. First it is hidden but restorable (`ivr message restore`). Days later its audio,
intro, cached renditions and transcription are removed. A tombstone remains: ids and times, no personal data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ivr.clock import RetentionClock
from ivr.directory.models import Account
from ivr.mailbox.voicemail_settings import DAY_S, VoicemailSettings
from ivr.storage.records import RetentionRule

Days = Annotated[int, Field(ge=1, le=36_500)]

REPLACED_AUDIO_GRACE_S = 3600
"""Seconds before the files of replaced audio are removed. No call and no download plays them for longer."""


class RetentionSettings(BaseModel):
    """How long removed and outdated data is still stored."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    interval_s: Annotated[int, Field(ge=1, le=7 * DAY_S)] = Field(
        3600, description="Seconds between two runs of the retention worker."
    )
    deleted_days: Days = Field(
        30, description="Days that a message stays in the folder deleted, where the owner can restore it by phone."
    )
    soft_deleted_days: Days = Field(
        7,
        description="Days that soft-deleted messages, mailboxes and greetings are stored. "
        "`ivr message restore` restores a message until then.",
    )
    past_retention_days: Days = Field(
        30, description="Days that an expired message is stored, hidden, before it is removed."
    )
    call_record_days: Days = Field(30, description="Days that the record of a call is stored.")
    auth_attempt_days: Days = Field(30, description="Days that failed PIN and login attempts are stored.")
    audit_days: Days = Field(365, description="Days that entries of the audit log are stored (`ivr audit list`).")
    orphan_file_days: Days = Field(
        7, description="Days after which a file without a row is removed. A crash can leave one."
    )
    undelivered_days: Days = Field(
        90,
        description="Days that a recording of the dialplan is stored that cannot become a message, such as one for an"
        " unknown mailbox. `ivr doctor` reports it after an hour.",
    )

    def cutoff(self, rule: RetentionRule, now: float) -> int:
        """Return the Unix time before which rows that entered this state are due.

        Not for `PAST_RETENTION`: its age is a setting of each account (`RetentionSchedule.cutoff_for_account`).
        """
        days = {
            RetentionRule.DELETED: self.deleted_days,
            RetentionRule.SOFT_DELETED: self.soft_deleted_days,
            RetentionRule.EXPIRED: self.past_retention_days,
            RetentionRule.BOX: self.soft_deleted_days,
            RetentionRule.MEDIA: self.soft_deleted_days,
            RetentionRule.AWAITING_OWNER: self.deleted_days,
            RetentionRule.CALL_RECORD: self.call_record_days,
            RetentionRule.AUTH_ATTEMPTS: self.auth_attempt_days,
            RetentionRule.AUDIT: self.audit_days,
        }
        return int(now) - days[rule] * DAY_S


ROW_AGE_RULES = tuple(rule for rule in RetentionRule if rule is not RetentionRule.PAST_RETENTION)
"""The rules whose age is counted from a time in the row."""


@dataclass(frozen=True, slots=True)
class RetentionSchedule:
    """Since when something must have been in its state to be due now."""

    settings: RetentionSettings
    voicemail_settings: VoicemailSettings
    clock: RetentionClock

    def cutoff(self, rule: RetentionRule) -> int:
        """Unix seconds; items that entered the state of the rule earlier are due."""
        return self.settings.cutoff(rule, self.clock.now())

    def replaced_audio_cutoff(self) -> int:
        """Unix seconds; files of audio that was replaced earlier may be removed."""
        return int(self.clock.now()) - REPLACED_AUDIO_GRACE_S

    def cutoff_for_account(self, account: Account) -> int:
        """Unix seconds; messages of the account that were left earlier are past retention."""
        return self.voicemail_settings.merged_with(account.settings).retention_cutoff(self.clock.now())
