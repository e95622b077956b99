"""Signing in as a user: `credentials` is the MD5 of `username:password`, as Kazoo's clients send it.

Stored is bcrypt over the HMAC of that with the pepper, as of every secret. The request does not contain the username,
so the salt is the same for the whole account and derived from the pepper: one bcrypt finds the user, along an index.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac

import bcrypt

from ivr.directory.models import User
from ivr.errors import InvalidFields
from ivr.storage.protocols import SecretHashStore

BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BCRYPT_ALPHABET = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
MIN_PASSWORD_LENGTH = 8
USER_REF_PREFIX = "user:"


class CredentialStore:
    """Usernames and passwords; `pepper` and `cost` are those of `SecretStore`."""

    def __init__(self, store: SecretHashStore, pepper: bytes, cost: int) -> None:
        self._store = store
        self._pepper = pepper
        self._cost = cost

    async def set(self, user: User, username: str, password: str) -> None:
        """Set the username and password of a user.

        Raises `InvalidFields`; `Conflict` if the username is in use in the account.
        """
        if not username or ":" in username:
            raise InvalidFields({"username": {"wrong_format": {"message": "A username has no colon in it"}}})
        if len(password) < MIN_PASSWORD_LENGTH:
            message = f"String must be at least {MIN_PASSWORD_LENGTH} characters"
            raise InvalidFields({"password": {"minLength": {"message": message, "target": MIN_PASSWORD_LENGTH}}})
        stored_hash = await self._hash(user.account_id, kazoo_credentials_md5(username, password), self._cost)
        await self._store.set_credentials(
            user.account_id, user.id, username, ref=_secret_ref(user.id), hash=stored_hash
        )

    async def authenticate(self, account_id: str | None, credentials: str) -> str | None:
        """Return the id of the user that the credentials belong to. Takes as long for an unknown account (None)."""
        costs = await self._store.bcrypt_costs(account_id or "", USER_REF_PREFIX) or [self._cost]
        for cost in costs:  # More than one only after pins.bcrypt_cost was changed.
            stored_hash = await self._hash(account_id or "", credentials.lower(), cost)
            ref = await self._store.find_ref(account_id or "", stored_hash)
            if ref and account_id:
                return ref.split(":")[1]
        return None

    async def _hash(self, account_id: str, credentials: str, cost: int) -> str:
        mixed = hmac.digest(self._pepper, f"credentials\0{account_id}\0{credentials}".encode(), hashlib.sha256)
        salt = hmac.digest(self._pepper, f"salt\0{account_id}".encode(), hashlib.sha256)[:16]
        letters = base64.b64encode(salt).rstrip(b"=").translate(bytes.maketrans(BASE64_ALPHABET, BCRYPT_ALPHABET))
        return (
            await asyncio.to_thread(bcrypt.hashpw, base64.b64encode(mixed), b"$2b$%02d$%s" % (cost, letters))
        ).decode()


def kazoo_credentials_md5(username: str, password: str) -> str:
    """Return what a client sends instead of the username and the password."""
    return hashlib.md5(f"{username}:{password}".encode(), usedforsecurity=False).hexdigest()


def _secret_ref(user_id: str) -> str:
    return f"{USER_REF_PREFIX}{user_id}:credentials"
