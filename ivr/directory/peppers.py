"""Versions of the pepper: the current one, and earlier ones that hashes still need."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

CHECK_TEXT = b"ivr pepper check"
ID_LENGTH = 16
TAG_SEPARATOR = "@"
"""Between a bcrypt hash and the id of its pepper. Hashes of earlier versions have no id: they need the pepper that was
current until the first rotation."""


@dataclass(frozen=True, slots=True)
class Pepper:
    """One version of the pepper."""

    key: bytes

    @property
    def check_value(self) -> str:
        """A value by which the pepper is recognised and from which it cannot be computed."""
        return hmac.digest(self.key, CHECK_TEXT, hashlib.sha256).hex()

    @property
    def id(self) -> str:
        return self.check_value[:ID_LENGTH]

    def tag(self, bcrypt_hash: bytes) -> str:
        """Return what is stored of a hash that was made with this pepper."""
        return f"{bcrypt_hash.decode()}{TAG_SEPARATOR}{self.id}"


@dataclass(frozen=True, slots=True)
class PepperUsage:
    """How many hashes need one version of the pepper."""

    id: str
    hash_count: int
    is_current: bool
    is_lost: bool
    """No file has it: these PINs and passwords can never be verified."""


class PepperSource(Protocol):
    """The peppers of one installation; a rotation by another process is noticed. All methods raise `StoreError`."""

    def current(self) -> Pepper:
        """Return the pepper for new hashes."""

    def find(self, pepper_id: str) -> Pepper | None:
        """Return the current or an earlier pepper."""

    def earlier(self) -> Sequence[Pepper]:
        """Return the earlier peppers that are stored."""

    def rotate(self, key: bytes) -> None:
        """Make `key` the current pepper. The present one is stored as an earlier one first."""

    def forget(self, pepper_id: str) -> None:
        """Remove an earlier pepper, unless it was current within the last hour: a hash may be on its way."""
