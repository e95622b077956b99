"""Signing in as a user: `credentials` is the md5 of `username:password`, as the Kazoo family sends it.

Kept is bcrypt of that over the HMAC with the pepper, as of every secret. The request does not say the user's name, so
the salt is one for the whole account, made from the pepper: one bcrypt finds the user, along an index.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import sqlite3
from functools import partial

import bcrypt

from ivr.directory.models import User
from ivr.errors import Conflict, InvalidFields
from ivr.storage.sqlite.database import Database

BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BCRYPT_ALPHABET = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
MIN_PASSWORD_LENGTH = 8


class CredentialStore:
    """Usernames and passwords; `pepper` and `cost` as of `SecretStore`."""

    def __init__(self, database: Database, pepper: bytes, cost: int) -> None:
        self._database = database
        self._pepper = pepper
        self._cost = cost

    async def set(self, user: User, username: str, password: str) -> None:
        """That user signs in like this from now on. Raises `InvalidFields`, `Conflict` for a name in use."""
        if not username or ":" in username:
            raise InvalidFields({"username": {"wrong_format": {"message": "A username has no colon in it"}}})
        if len(password) < MIN_PASSWORD_LENGTH:
            said = f"String must be at least {MIN_PASSWORD_LENGTH} characters"
            raise InvalidFields({"password": {"minLength": {"message": said, "target": MIN_PASSWORD_LENGTH}}})
        kept = await self._hash(user.account_id, kazoo_credentials_md5(username, password), self._cost)

        def verb(connection: sqlite3.Connection) -> None:
            sql = "SELECT 1 FROM users WHERE account_id = ? AND username = ? AND id <> ? AND deleted_at IS NULL"
            if connection.execute(sql, (user.account_id, username, user.id)).fetchone():
                raise Conflict(f"the username {username!r} is in use in this account: choose another")
            connection.execute("UPDATE users SET username = ? WHERE id = ?", (username, user.id))
            connection.execute(
                "INSERT OR REPLACE INTO secrets VALUES (?, ?, ?)", (user.account_id, _secret_ref(user.id), kept)
            )

        await self._database.write(verb)

    async def authenticate(self, account_id: str | None, credentials: str) -> str | None:
        """Whose they are; None: nobody's. Takes as long for an account that is not there."""
        costs = await self._database.read(lambda c: _bcrypt_costs(c, account_id or "")) or [self._cost]
        for cost in costs:  # More than one only after pins.bcrypt_cost was changed.
            kept = await self._hash(account_id or "", credentials.lower(), cost)
            ref = await self._database.read(partial(_find_secret_ref, account_id or "", kept))
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
    """What a program sends instead of the two."""
    return hashlib.md5(f"{username}:{password}".encode(), usedforsecurity=False).hexdigest()


def _secret_ref(user_id: str) -> str:
    return f"user:{user_id}:credentials"


def _find_secret_ref(account_id: str, stored_hash: str, connection: sqlite3.Connection) -> str | None:
    sql = "SELECT ref FROM secrets WHERE account_id = ? AND hash = ?"
    row = connection.execute(sql, (account_id, stored_hash)).fetchone()
    return str(row["ref"]) if row else None


def _bcrypt_costs(connection: sqlite3.Connection, account_id: str) -> list[int]:
    sql = "SELECT DISTINCT substr(hash, 5, 2) FROM secrets WHERE account_id = ? AND ref >= 'user:' AND ref < 'user;'"
    return sorted(int(row[0]) for row in connection.execute(sql, (account_id,)))
