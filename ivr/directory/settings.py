"""Settings documents of accounts and users, what they share with those of mailboxes, and the settings of PINs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from ivr.validation.fields import (
    NO_NUMBER,
    PersonName,
    ProgramPath,
    TelephoneNumber,
    WebUrl,
    at_most,
    bounded,
    holds_text,
    is_stored,
    is_switch_for_number,
    split_items,
)

Seconds = Annotated[int, Field(ge=0, le=10**7)]
EventName = Literal[
    "message.new",
    "message.saved",
    "message.deleted",
    "message.renewed",
    "message.removed",
    "box.full",
    "box.locked",
]
"""Events that a webhook can be sent for."""


class SettingsDocument(BaseModel):
    """A part of a document. Unknown keys are allowed; numbers are accepted where text is expected."""

    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True)

    @field_validator("*", mode="before")
    @classmethod
    def _require_plain_value(cls, value: Any, info: ValidationInfo) -> Any:
        if not is_stored(info) and info.field_name and is_switch_for_number(cls, info.field_name, value):
            raise PydanticCustomError("switch_for_number", NO_NUMBER)
        if isinstance(value, str) and not is_stored(info) and info.field_name and not holds_text(cls, info.field_name):
            value = value.strip()
        return bounded(value, info)


class NewMessageCallSettings(SettingsDocument):
    """New-message calls to the owner. None: the setting of the user, else of the account, else of the system."""

    number: TelephoneNumber | None = None
    disabled: bool | None = None
    schedule: Annotated[list[Seconds] | None, BeforeValidator(split_items)] = None
    attempts: Annotated[int, Field(ge=0, le=1000)] | None = None
    interval_s: Annotated[int, at_most(10**7)] | None = None
    timeout_s: Seconds | None = None


class NotifySettings(SettingsDocument):
    """Notifications beside mail."""

    callback: NewMessageCallSettings = Field(default_factory=NewMessageCallSettings)


class _Voicemail(SettingsDocument):
    notify: NotifySettings | None = None


class UserSettings(SettingsDocument):
    """`settings` of a user: the keys that this service reads."""

    first_name: PersonName | None = None
    last_name: PersonName | None = None
    vm_to_email_enabled: bool | None = None
    voicemail: _Voicemail | None = None
    administrator: Literal["account", "system"] | None = None
    """What the user may administer on the page: the account, or all accounts and the installation."""


class WebhookSettings(SettingsDocument):
    """The webhook of an account. Empty `events`: all."""

    url: WebUrl | None = None
    secret: str | None = None
    events: list[EventName] | None = None


class AccountSettings(SettingsDocument):
    """`settings` of an account, beside those of `VoicemailSettings`: the keys that this service reads."""

    voicemail: _Voicemail | None = None
    webhook: WebhookSettings | None = None


def validated(model: type[SettingsDocument], settings: Mapping[str, Any], *, stored: bool) -> dict[str, Any]:
    """Return settings with the types of the model. Raises pydantic's `ValidationError`, unless they are stored ones."""
    if stored:
        return dict(settings)
    return model.model_validate(dict(settings)).model_dump(exclude_unset=True)


class PinSettings(BaseModel):
    """Section `[pins]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bcrypt_cost: Annotated[int, Field(ge=4, le=16)] = Field(
        10, description="Cost factor of bcrypt. 10 takes about 60 ms for each PIN; each step more doubles it."
    )
    pepper_file: Annotated[str, Field(pattern=r"^((\$CREDENTIALS_DIRECTORY)?/.+)?$")] = Field(
        "",
        description="File of the pepper, such as `/media/key/ivr-pepper` or `$CREDENTIALS_DIRECTORY/ivr-pepper`. It"
        " must exist. Empty: `state/pepper` in the data folder, which the first start creates.",
    )
    change_program: ProgramPath = Field(
        None,
        description="Full path of a program to run after a PIN was set, with account and number of the mailbox as its"
        " arguments and the PIN on its standard input. It must belong to root. Empty: none.",
    )
    check_program: ProgramPath = Field(
        None,
        description="Full path of a program that decides about each new PIN, with account and number of the mailbox"
        " as its arguments and the PIN on its standard input: exit code 0 accepts it. It must belong to root. Empty:"
        " none.",
    )
    account_failures_per_hour: Annotated[int, Field(ge=5, le=10**6)] = Field(
        100,
        description="Wrong PINs per account and hour, except from the owners' phones. After them PINs are refused for"
        " 15 minutes, and `mail.administrator` gets a mail.",
    )
