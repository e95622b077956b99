"""Documents of accounts, users and endpoints."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from ivr.directory.settings import AccountSettings, UserSettings, validated
from ivr.validation.fields import (
    ApiUsername,
    EndpointName,
    LanguageCode,
    MailAddress,
    Realm,
    TimeZone,
    UserName,
    is_stored,
)


class Account(BaseModel):
    """A customer of the installation, with its own users, mailboxes and numbers."""

    model_config = ConfigDict(extra="forbid")

    id: str = ""
    name: UserName
    """Unique; the dialplan can refer to the account by it."""
    realm: Realm | None = None
    """Unique; the part of addresses after the @. None: made of the name."""
    language: LanguageCode = "en"
    timezone: TimeZone = "UTC"
    settings: dict[str, Any] = Field(default_factory=dict)
    """Changes to the system's mailbox settings: max_message_count, keys, … (docs/settings.md)."""
    revision: int = 0

    @field_validator("settings")
    @classmethod
    def _check_settings(cls, settings: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return validated(AccountSettings, settings, stored=is_stored(info))

    @property
    def webhook_url(self) -> str | None:
        """The URL to which events of the account are posted."""
        webhook = self.settings.get("webhook")
        return webhook.get("url") if isinstance(webhook, dict) else None


class User(BaseModel):
    """A person of an account, who can own mailboxes and endpoints."""

    model_config = ConfigDict(extra="forbid")

    id: str = ""
    account_id: str = ""
    name: UserName
    """Unique within the account."""
    username: ApiUsername | None = None
    email: MailAddress | None = None
    language: LanguageCode | None = None
    """None: that of the account."""
    timezone: TimeZone | None = None
    """None: that of the account."""
    voicemail_id: str | None = None
    """Id of the default mailbox of the user."""
    settings: dict[str, Any] = Field(default_factory=dict)
    revision: int = 0

    @field_validator("settings")
    @classmethod
    def _check_settings(cls, settings: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return validated(UserSettings, settings, stored=is_stored(info))


class Endpoint(BaseModel):
    """A PJSIP endpoint of one Asterisk, and the user it belongs to."""

    model_config = ConfigDict(extra="forbid")

    system: str
    """Name of the Asterisk, in an installation with several."""
    name: EndpointName
    account_id: str
    user_id: str
