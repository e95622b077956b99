"""Secrets stored as hashes: bcrypt over an HMAC with a pepper that is not in the database.

A PIN has at most a million values, so a stolen table alone must not be enough to try them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac

import bcrypt

from ivr.errors import PepperChanged
from ivr.storage.protocols import SecretHashStore

INSTALLATION = ""
"""Account id of secrets that belong to no account."""
PEPPER_REF = "pepper"
PEPPER_CHECK_TEXT = b"ivr pepper check"
BCRYPT_COST = 10
"""About 60 ms for each verification."""


class SecretStore:
    """Stores and verifies secrets. `pepper`: the server-side key, 32 bytes; a `cost` below 10 is for tests."""

    def __init__(self, store: SecretHashStore, pepper: bytes, cost: int = BCRYPT_COST) -> None:
        self._store = store
        self._pepper = pepper
        self._cost = cost
        self._dummy_hash = bcrypt.hashpw(self._apply_pepper("", ""), bcrypt.gensalt(cost))

    async def has_stored_pepper(self) -> bool:
        """Return whether the pepper is the one that secrets were stored with; True before the first secret."""
        stored = await self._store.get_hash(INSTALLATION, PEPPER_REF)
        return stored is None or hmac.compare_digest(stored, self._pepper_check())

    async def verify_pepper(self) -> None:
        """Remember the pepper at its first use. Raises `PepperChanged` if it is another one since."""
        if not await self.has_stored_pepper():
            raise PepperChanged(
                "the file pepper in the data folder is not the one that PINs and passwords were stored with: restore it"
                " from a backup; if it is lost, run 'ivr pepper accept' and set them anew"
            )
        if await self._store.get_hash(INSTALLATION, PEPPER_REF) is None:
            await self.accept_pepper()

    async def accept_pepper(self) -> None:
        """Remember the current pepper. Secrets that were stored with another one can no longer be verified."""
        await self._store.set_hash(INSTALLATION, PEPPER_REF, self._pepper_check())

    def _pepper_check(self) -> str:
        return hmac.digest(self._pepper, PEPPER_CHECK_TEXT, hashlib.sha256).hex()

    async def set(self, account_id: str, ref: str, secret: str | None) -> None:
        """Store the hash of `secret` under `ref`; None deletes it."""
        stored_hash = None if secret is None else await self.hash(ref, secret)
        await self._store.set_hash(account_id, ref, stored_hash)

    async def hash(self, ref: str, secret: str) -> str:
        """Return what is stored of `secret` under `ref`. Raises `PepperChanged`."""
        await self.verify_pepper()
        salt = bcrypt.gensalt(self._cost)
        return (await asyncio.to_thread(bcrypt.hashpw, self._apply_pepper(ref, secret), salt)).decode()

    async def exists(self, account_id: str, ref: str) -> bool:
        """Return whether a secret is stored under `ref`."""
        return await self._store.get_hash(account_id, ref) is not None

    async def verify(self, account_id: str, ref: str | None, secret: str) -> bool:
        """Return whether `secret` is the one under `ref`. Takes as long if there is none, or if `ref` is None."""
        stored_hash = await self._store.get_hash(account_id, ref) if ref else None
        peppered = self._apply_pepper(ref or "", secret)
        compared_hash = stored_hash.encode() if stored_hash else self._dummy_hash
        is_same = await asyncio.to_thread(bcrypt.checkpw, peppered, compared_hash)
        return is_same and stored_hash is not None

    def _apply_pepper(self, ref: str, secret: str) -> bytes:
        """Return 44 bytes whatever the length of the secret: bcrypt accepts at most 72."""
        mixed = hmac.digest(self._pepper, f"{ref}\0{secret}".encode(), hashlib.sha256)
        return base64.b64encode(mixed)
