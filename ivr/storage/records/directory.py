"""Records of accounts, users, endpoints, and what they authenticate with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ivr.storage.records.boxes import BoxRecord
from ivr.storage.records.imports import ImportedObject

TOKEN_ID_LENGTH = 12
"""Leading characters of a token's hash by which administrators refer to it."""


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """One row of `accounts`."""

    id: str
    name: str
    realm: str
    language: str
    timezone: str
    settings: Mapping[str, Any]
    revision: int


@dataclass(frozen=True, slots=True)
class UserRecord:
    """One row of `users`."""

    id: str
    account_id: str
    name: str
    username: str | None
    email: str | None
    language: str | None
    timezone: str | None
    voicemail_id: str | None
    settings: Mapping[str, Any]
    revision: int


@dataclass(frozen=True, slots=True)
class EndpointRecord:
    """One row of `endpoints`: a PJSIP endpoint of the Asterisk `system`, and the user it belongs to."""

    system: str
    name: str
    account_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """One row of `secrets`."""

    account_id: str
    ref: str
    hash: str


class TokenKind(StrEnum):
    """How a token was obtained."""

    API_KEY = "api_key"
    """Created by an administrator."""
    SESSION = "session"
    """Obtained with an API key, with the access of that key."""
    LOGIN = "login"
    """Obtained with a user's credentials."""
    PAGE = "page"
    """A browser in which an owner has signed in to the page. It opens no request of the REST API."""
    PHONE = "phone"
    """The secret of a desk phone for its screens. It opens no request of the REST API. `label`: its endpoint."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is stored of a token: the SHA-256 of its text, its scope and its lifetime."""

    hash: str
    account_id: str
    user_id: str | None
    """None: the whole account."""
    label: str
    kind: TokenKind
    created_at: int
    expires_at: int | None
    """Unix seconds; None: never."""
    revoked_at: int | None = None
    last_used_at: int | None = None
    """Unix seconds of the last request; of an API key also those of its sessions. None: not used yet."""
    box_id: str | None = None
    """Of a session of the page that a PIN has opened: the only mailbox that it reaches."""
    proof: str = ""
    """Of such a session: fingerprint of PIN and owner, so that a new one ends it."""

    @property
    def id(self) -> str:
        """The name of the token in lists and commands."""
        return self.hash[:TOKEN_ID_LENGTH]


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """Whose authentication attempts are counted.

    `scope` is "box", "own_phone", "caller", "account", "address" or "token".
    """

    scope: str
    subject: str
    account_id: str = ""


@dataclass(frozen=True, slots=True)
class AttemptCounter:
    """Counted authentication attempts. Times are Unix seconds."""

    failure_count: int = 0
    window_started_at: int = 0
    lock_count: int = 0
    locked_until: int = 0


@dataclass(frozen=True, slots=True)
class ProvisioningBatch:
    """Rows that are stored together, in this order. A changed row has the revision that it was read with."""

    new_accounts: list[AccountRecord] = field(default_factory=list)
    changed_accounts: list[AccountRecord] = field(default_factory=list)
    new_users: list[UserRecord] = field(default_factory=list)
    changed_users: list[UserRecord] = field(default_factory=list)
    new_boxes: list[BoxRecord] = field(default_factory=list)
    changed_boxes: list[BoxRecord] = field(default_factory=list)
    removed_endpoints: list[EndpointRecord] = field(default_factory=list)
    """Assignments that end, because the endpoint gets another user."""
    new_endpoints: list[EndpointRecord] = field(default_factory=list)
    secrets: list[SecretRecord] = field(default_factory=list)
    imported: list[ImportedObject] = field(default_factory=list)
    """What of it was imported from another system."""
