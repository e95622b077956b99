"""The mailbox settings of the system, which each account may override."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ivr.errors import InvalidFields
from ivr.mailbox.caller_id import DialForm
from ivr.mailbox.key_map import merge_layers
from ivr.mailbox.pin_strength import MAX_PIN_LENGTH, MIN_PIN_LENGTH
from ivr.validation.fields import (
    NO_NUMBER,
    CountryCode,
    DialplanContext,
    DialPrefix,
    DistributionLists,
    Extension,
    Label,
    MailDomains,
    is_switch_for_number,
)

DAY_S = 86_400
RETENTION_GRACE_S = 3600
"""Grace period after the retention days, as in Kazoo."""


PIN_LENGTHS = ("min_pin_length", "max_pin_length")


class VoicemailSettings(BaseModel):
    """Settings of Kazoo have the names of Kazoo."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_message_count: Annotated[int, Field(ge=0)] = Field(
        100, description="Maximum number of new and saved messages before callers find the mailbox full. 0: no limit."
    )
    max_message_length: Annotated[int, Field(ge=1, le=10**6)] = Field(
        500, description="Maximum length of a caller's message, in seconds."
    )
    max_greeting_length: Annotated[int, Field(ge=1, le=3600)] = Field(
        300, description="Maximum length of a greeting or name recorded by phone, in seconds."
    )
    min_message_size: Annotated[int, Field(ge=0, le=60_000)] = Field(
        500,
        description="Minimum length of a recording, in milliseconds; a shorter one is discarded. 0: keep all. Half of"
        " the longest recording is always enough.",
    )
    min_speech_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(
        100,
        description="Milliseconds that a message must be louder than its background: silence and steady noise are no"
        " messages. 0: keep recordings without speech.",
    )
    press_key_to_record: bool = Field(
        False, description="Let callers press 1 before they can leave a message: programs that call leave none."
    )
    oldest_message_first: bool = Field(False, description="Play the oldest message first.")
    clock: Literal["12h", "24h"] = Field(
        "12h", description="How times are said: 12h, with a.m. and p.m., or 24h. Owners change it in their settings."
    )
    max_box_number_length: Annotated[int, Field(ge=1, le=30)] = Field(
        15, description="Maximum number of digits of a new mailbox number. Those that exist stay valid."
    )
    max_box_settings_bytes: Annotated[int, Field(ge=10_000, le=10**7)] = Field(
        100_000,
        description="Maximum size of the settings of a mailbox, as JSON, in bytes; a larger document is rejected.",
    )
    max_owner_addresses: Annotated[int, Field(ge=0, le=1000)] = Field(
        10, description="Maximum number of mail addresses that an owner may set; an administrator may set more."
    )
    owner_mail_domains: MailDomains = Field(
        [], description="Domains of the mail addresses that an owner may set, such as example.com. Empty: all."
    )
    max_login_attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        3, description="Maximum number of wrong mailbox numbers and PINs in one call, counted together."
    )
    min_pin_length: Annotated[int, Field(ge=MIN_PIN_LENGTH, le=MAX_PIN_LENGTH)] = Field(
        4, description="Minimum number of digits of a new PIN. PINs that are set already stay valid."
    )
    max_pin_length: Annotated[int, Field(ge=MIN_PIN_LENGTH, le=MAX_PIN_LENGTH)] = Field(
        6, description="Maximum number of digits of a new PIN. PINs that are set already stay valid."
    )
    force_require_pin: bool = Field(False, description="Ask owners for their PIN on their own phones too.")
    message_retention_duration: Annotated[int, Field(ge=1, le=36_500)] = Field(
        93, description="Days after which a message expires."
    )
    silence_hits: Annotated[int, Field(ge=0, le=1000)] = Field(
        5, description="Seconds of silence that end a recording. 0: silence does not end it."
    )
    key_map: Literal["standard", "classic"] = Field("standard", description="Predefined key map: standard or classic.")
    keys: dict[str, str] = Field(
        default_factory=dict, description="Changes to the key map, as action = key. An empty key disables the action."
    )
    should_disable_callback: bool = Field(False, description="Disable call-back from the message menu.")
    should_disable_offnet_callback: bool = Field(
        True,
        description="Allow call-back only from endpoints of the installation. The page rings such an endpoint first.",
    )
    mail_audio: Literal["attachment", "link"] = Field(
        "attachment",
        description="How a mail carries the message: attachment, or link: a link that expires (needs api.public_url).",
    )
    callback_context: DialplanContext = Field(
        "", description="Dialplan context in which call-backs are dialled. Empty: no call-back."
    )
    callback_forms: list[DialForm] = Field(
        ["received", "plus", "international", "national"],
        description="Forms of a caller's number that are tried in `callback_context`, in this order: as `received`,"
        " with `plus` (+4930123456), with the `international` prefix (004930123456), `national` (030123456).",
    )
    country_code: CountryCode = Field(
        "", description="Country code of the site, such as 49; national numbers can then be called back. Empty: none."
    )
    international_prefix: DialPrefix = Field(
        "00", description="Digits that the site dials before a country code, such as 00 or 011."
    )
    national_prefix: DialPrefix = Field(
        "0", description="Digits that the site dials before a national number, such as 0 or 1; may be empty."
    )
    operator_context: DialplanContext = Field(
        "", description="Dialplan context of the operator extensions. Empty: no operator key."
    )
    operator_key: Extension = Field(
        "0", description="Extension of the operator for mailboxes without `operator_number`, in `operator_context`."
    )
    hunt_context: DialplanContext = Field(
        "", description="Dialplan context whose extensions callers may dial during the greeting. Empty: none."
    )

    exit_context: DialplanContext = Field(
        "",
        description="Dialplan context whose extensions `o` and `a` callers reach with 0 and *, where the dialplan names"
        " none. Empty: none.",
    )
    folder_labels: Annotated[list[Label], Field(max_length=9)] = Field(
        [],
        description="Names of folders, such as Work, into which owners put messages with the key `file_message` of the"
        " message menu (it has none by default): such a message is saved, with the name as its label.",
    )
    distribution_lists: DistributionLists = Field(
        default_factory=dict,
        description="Numbers that owners enter to send or forward a message to several mailboxes, each with the numbers"
        " of its mailboxes. A mailbox of the same number takes precedence, and so does a list of the owner's own.",
    )

    @model_validator(mode="after")
    def _require_ordered_pin_lengths(self) -> VoicemailSettings:
        if self.min_pin_length > self.max_pin_length:
            raise ValueError(
                f"min_pin_length {self.min_pin_length} exceeds max_pin_length {self.max_pin_length}: no PIN would fit"
            )
        return self

    def merged_with(self, account_settings: Mapping[str, Any]) -> VoicemailSettings:
        """Return the settings, overridden by those that an account has stored.

        A setting of the system that has changed since then, or a stricter rule, closes no mailbox: an override that
        can no longer be used is left out, and where the shortest PIN would be longer than the longest, it is both.
        """
        if not (overrides := _known(account_settings)):
            return self
        try:
            return self._with(overrides)
        except ValidationError as error:
            wrong = {item["loc"][0] for item in error.errors() if item["loc"]}
        usable = {**self.model_dump(), **{name: value for name, value in overrides.items() if name not in wrong}}
        usable["max_pin_length"] = max(int(float(usable[name])) for name in PIN_LENGTHS)
        return VoicemailSettings.model_validate(usable)

    def unusable(self, account_settings: Mapping[str, Any]) -> dict[str, str]:
        """Return the settings that an account has stored and that cannot be used as they are, each with the reason."""
        overrides, reasons = _known(account_settings), dict[str, str]()
        while True:
            try:
                self._with({name: value for name, value in overrides.items() if name not in reasons})
            except ValidationError as error:
                for item in error.errors():
                    names = item["loc"][:1] or [name for name in PIN_LENGTHS if name in overrides]
                    reasons |= {str(name): item["msg"].removeprefix("Value error, ") for name in names}
            else:
                return reasons

    def _with(self, overrides: Mapping[str, Any]) -> VoicemailSettings:
        return VoicemailSettings.model_validate({**self.model_dump(), **overrides})

    def stored_form(self, account_settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings of an account with the types of mailboxes' settings: 8 for `8.0`. Raises as below."""
        values = self.validated_with(account_settings).model_dump(mode="json")
        return {**account_settings, **{name: values[name] for name in _known(account_settings)}}

    def validated_with(self, account_settings: Mapping[str, Any]) -> VoicemailSettings:
        """As `merged_with`, for settings of an account that are about to be stored.

        Raises pydantic's `ValidationError` and `InvalidFields`. Stored ones are not refused, so that calls go on:
        `Mailbox.key_map` leaves out keys that cannot be used.
        """
        for name, value in account_settings.items():
            if is_switch_for_number(VoicemailSettings, name, value):
                raise InvalidFields({name: {"type": {"message": NO_NUMBER}}})
        merged = self._with(_known(account_settings))
        merge_layers([(merged.key_map, merged.keys)])
        return merged

    def retention_cutoff(self, now: float) -> int:
        """Unix seconds; messages left earlier are past retention."""
        return int(now) - self.message_retention_duration * DAY_S - RETENTION_GRACE_S

    def message_times(self, now: float) -> range:
        """Return the Unix seconds that a message added now may have been left at.

        An earlier one would be past retention at once, so no one would hear it. A later one than a day ahead, which
        clocks and time zones do not explain, would be the newest message of its mailbox until then.
        """
        return range(self.retention_cutoff(now), int(now) + DAY_S)


def _known(account_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those settings of an account that override the system's."""
    return {name: value for name, value in account_settings.items() if name in VoicemailSettings.model_fields}
