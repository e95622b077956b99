"""The settings of one box: every key of the seeds and of Kazoo, their types, limits and defaults.

One model, one place (kazoo-behaviour §1.12, checklist SK01-SK49, SI01-SI07). Keys that nobody knows are kept and given
back. `pin` is not among the fields: it goes in through `Pins` and never comes out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

Id32 = Annotated[str, StringConstraints(min_length=32, max_length=32)]
Regex = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s,;<>\"]+@[^@\s,;<>\"]+$", max_length=254)]
Number = Annotated[str, StringConstraints(min_length=1, max_length=36)]
Seconds = Annotated[int, Field(ge=0, le=10**7)]


class _SettingsDocument(BaseModel):
    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True)


class NewMessageCallSettings(_SettingsDocument):
    """Calls to tell of new messages (kazoo-behaviour §5.3). None: as the user, the account or the system says."""

    number: str | None = None
    disabled: bool | None = None
    schedule: list[Seconds] | None = None
    attempts: Annotated[int, Field(ge=0, le=1000)] | None = None
    interval_s: int | None = None
    timeout_s: Seconds | None = None


class NotifySettings(_SettingsDocument):
    callback: NewMessageCallSettings = Field(default_factory=NewMessageCallSettings)


class MediaIds(_SettingsDocument):
    """Ids of recordings."""

    unavailable: Id32 | None = None
    temporary_unavailable: Id32 | None = None
    temporary_until: Annotated[int, Field(ge=0)] | None = None
    """Unix seconds at which the temporary greeting falls back to the own one by itself; None: never."""
    name: Id32 | None = None


class BoxSettings(_SettingsDocument):
    """The public settings of a box; `keys` and the last group are ours."""

    # What and whose it is
    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    mailbox: Annotated[str, StringConstraints(min_length=1, max_length=30)]
    aliases: list[Number] = []
    owner_id: Id32 | None = None
    flags: list[str] = []
    numbers: list[str] = []
    """Further message-light targets."""
    shared_vmbox: bool = False
    members: list[Any] = []
    """User ids, or {"id", "type"}; with `shared_vmbox` each has the owner's rights at the phone (design)."""
    timezone: Annotated[str, StringConstraints(min_length=5, max_length=32)] | None = None
    """None or "inherit": the owner's, else the account's."""

    # Signing in
    require_pin: bool = False
    check_if_owner: bool | None = True
    """None: depends on what the call did before (kazoo-behaviour §1.2)."""
    is_setup: bool = False
    not_configurable: bool = False
    pin_secret_ref: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    """Where the hash of the PIN is kept; None: in a place of this box's own."""

    # Callers
    announcement_only: bool = False
    skip_greeting: bool = False
    skip_instructions: bool = False
    play_greeting_intro: bool = False
    use_person_not_available: bool = False
    operator_number: int | str | None = None
    hunt: bool = True
    hunt_allow: Regex | None = None
    hunt_deny: Regex | None = None
    media: MediaIds = Field(default_factory=MediaIds)
    greeting_media_id: Id32 | None = None
    """SIP.IO's name for `media.unavailable`."""
    max_message_length: Annotated[int, Field(ge=1, le=10**6)] | None = None
    """s; None: the system's."""
    interdigit_timeout: Annotated[int, Field(ge=100, le=60_000)] | None = None
    """ms; None: as the dialplan says, else 2000."""
    silence_hits: Annotated[int, Field(ge=0, le=1000)] | None = None
    silence_threshold: Annotated[int, Field(ge=0, le=32_767)] | None = None
    quota_mb: Annotated[int, Field(ge=0, le=10**6)] | None = None
    """Every stored byte counts; None or 0: no quota."""
    media_extension: Literal["mp3", "mp4", "wav"] = "mp3"

    # Listening
    oldest_message_first: bool = False
    skip_envelope: bool = False
    play_envelope_action: Literal["play_after", "play_before", "skip"] = "play_after"
    envelope_type: Literal["default", "caller_and_time"] = "default"
    is_voicemail_ff_rw_enabled: bool = True
    seek_duration_ms: Annotated[int, Field(ge=0, le=10**8)] = 10_000
    vm_message_forward_type: Literal["only_forward", "prepend_forward"] = "only_forward"
    after_forward_action: Literal["prompt", "save"] = "save"

    # What follows a message
    notify_email_addresses: list[Email] = []
    notify_email: Email | None = None
    include_message_on_notify: bool = True
    include_transcription_on_notify: bool = True
    delete_after_notify: bool = False
    save_after_notify: bool = False
    shared_vmbox_notify_owner_email: bool = False
    transcribe: bool = False
    notify: NotifySettings | None = None

    # Ours
    callers_may_mark_urgent: bool = True
    new_messages_at_once: bool = True
    """For an owner on their own phone, new messages start after the count."""
    key_map: Literal["standard", "classic"] | None = None
    """A ready key map; None: as the account or the system says."""
    keys: dict[str, str] = {}
    """Action → key, over the map."""

    @field_validator("aliases", "numbers", "flags", "notify_email_addresses", mode="before")
    @classmethod
    def _null_to_empty_list(cls, value: object) -> object:
        return [] if value is None else value

    @property
    def envelope_placement(self) -> Literal["play_after", "play_before", "skip"]:
        """When the envelope is played; `skip_envelope` wins (design)."""
        return "skip" if self.skip_envelope else self.play_envelope_action

    @property
    def member_ids(self) -> frozenset[str]:
        """The users that share this box; empty unless it is shared."""
        if not self.shared_vmbox:
            return frozenset()
        return frozenset(str(m["id"]) if isinstance(m, dict) and "id" in m else str(m) for m in self.members)

    def has_owner_rights(self, user_id: str | None) -> bool:
        """Whether that user has the owner's rights."""
        return user_id is not None and (user_id == self.owner_id or user_id in self.member_ids)
