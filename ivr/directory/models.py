"""Accounts and users, as documents."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[\w.@+-][\w.@+ -]*$")]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z]+)*$", max_length=16)]
TimezoneName = Annotated[str, StringConstraints(min_length=3, max_length=32)]


class Account(BaseModel):
    """A company, a household, a tenant: boxes, users and numbers live within one."""

    model_config = ConfigDict(extra="forbid")

    id: str = ""
    name: Name
    """Unique; the dialplan may name the account by it."""
    realm: Name | None = None
    """Unique; what stands behind the @ of addresses. None: the name."""
    language: Language = "en"
    timezone: TimezoneName = "UTC"
    settings: dict[str, Any] = Field(default_factory=dict)
    """Changes to the system's mailbox settings: max_message_count, keys, … (docs/settings.md)."""
    revision: int = 0


class User(BaseModel):
    """A person: owns boxes, has devices."""

    model_config = ConfigDict(extra="forbid")

    id: str = ""
    account_id: str = ""
    name: Name
    """Unique within the account."""
    username: str | None = None
    email: str | None = None
    language: Language | None = None
    """None: the account's."""
    timezone: TimezoneName | None = None
    """None: the account's."""
    voicemail_id: str | None = None
    """Id of the user's default box."""
    settings: dict[str, Any] = Field(default_factory=dict)
    revision: int = 0


class Endpoint(BaseModel):
    """A device: a PJSIP endpoint of one Asterisk, and whose it is."""

    model_config = ConfigDict(extra="forbid")

    system: str
    """Which Asterisk, where there are several."""
    name: str
    account_id: str
    user_id: str
