"""Documents of accounts, users and endpoints."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[\w.@+-][\w.@+ -]*$")]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z]+)*$", max_length=16)]
TimezoneName = Annotated[str, StringConstraints(min_length=3, max_length=32)]


class Account(BaseModel):
    """A customer of the installation, with its own users, mailboxes and numbers."""

    model_config = ConfigDict(extra="forbid")

    id: str = ""
    name: Name
    """Unique; the dialplan can refer to the account by it."""
    realm: Name | None = None
    """Unique; the part of addresses after the @. None: the name."""
    language: Language = "en"
    timezone: TimezoneName = "UTC"
    settings: dict[str, Any] = Field(default_factory=dict)
    """Changes to the system's mailbox settings: max_message_count, keys, … (docs/settings.md)."""
    revision: int = 0


class User(BaseModel):
    """A person of an account, who can own mailboxes and endpoints."""

    model_config = ConfigDict(extra="forbid")

    id: str = ""
    account_id: str = ""
    name: Name
    """Unique within the account."""
    username: str | None = None
    email: str | None = None
    language: Language | None = None
    """None: that of the account."""
    timezone: TimezoneName | None = None
    """None: that of the account."""
    voicemail_id: str | None = None
    """Id of the default mailbox of the user."""
    settings: dict[str, Any] = Field(default_factory=dict)
    revision: int = 0


class Endpoint(BaseModel):
    """A PJSIP endpoint of one Asterisk, and the user it belongs to."""

    model_config = ConfigDict(extra="forbid")

    system: str
    """Name of the Asterisk, in an installation with several."""
    name: str
    account_id: str
    user_id: str
