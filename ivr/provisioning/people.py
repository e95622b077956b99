"""What a people file describes, whatever its format. Lines are numbered from 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GENERATE_PIN = "generate"
"""The PIN of a file that stands for a random one."""


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """An account that exists or is to be created, with its `Account` fields."""

    line: int
    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UserEntry:
    """A user with `User` fields. `owner_of`: number of a mailbox by whose owner the user is found, before the name."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    endpoints: tuple[str, ...] = ()
    owner_of: str | None = None


@dataclass(frozen=True, slots=True)
class BoxEntry:
    """A mailbox with `BoxSettings` fields. `owner`: name of a user of the file or of the account; None: unchanged."""

    number: str
    owner: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    pin: str | None = None


@dataclass(frozen=True, slots=True)
class PeopleRow:
    """A user, a mailbox, or both: either all of a row is applied, or nothing of it."""

    line: int
    account: str | None
    user: UserEntry | None = None
    box: BoxEntry | None = None


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with a line, and how to correct it."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class PeopleFile:
    """The content of a file. `notes`: values of the file that have no equivalent here."""

    accounts: list[AccountEntry] = field(default_factory=list)
    rows: list[PeopleRow] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    notes: list[RowError] = field(default_factory=list)
