"""Secrets kept as hashes: bcrypt over an HMAC with a pepper that is not in the database.

A PIN has at most a million values, so a stolen table alone must not be enough to try them (design).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import sqlite3

import bcrypt

from ivr.storage.sqlite.database import Database

BCRYPT_COST = 10
"""bcrypt's: about 60 ms a try."""


class SecretStore:
    """`pepper`: the server-side key, 32 bytes; `cost` below 10 is for tests."""

    def __init__(self, database: Database, pepper: bytes, cost: int = BCRYPT_COST) -> None:
        self._database = database
        self._pepper = pepper
        self._cost = cost
        self._dummy_hash = bcrypt.hashpw(self._apply_pepper("", ""), bcrypt.gensalt(cost))

    async def set(self, account_id: str, ref: str, secret: str | None) -> None:
        """Keep the hash of `secret` under `ref`; None: forget it."""
        kept = None
        if secret is not None:
            salt = bcrypt.gensalt(self._cost)
            kept = (await asyncio.to_thread(bcrypt.hashpw, self._apply_pepper(ref, secret), salt)).decode()

        def verb(connection: sqlite3.Connection) -> None:
            if kept is None:
                connection.execute("DELETE FROM secrets WHERE account_id = ? AND ref = ?", (account_id, ref))
            else:
                connection.execute("INSERT OR REPLACE INTO secrets VALUES (?, ?, ?)", (account_id, ref, kept))

        await self._database.write(verb)

    async def exists(self, account_id: str, ref: str) -> bool:
        """Whether there is a secret under `ref`."""
        return await self._read_hash(account_id, ref) is not None

    async def verify(self, account_id: str, ref: str | None, secret: str) -> bool:
        """Whether `secret` is the one under `ref`. Takes as long where there is none, or no `ref` at all."""
        kept = await self._read_hash(account_id, ref) if ref else None
        peppered = self._apply_pepper(ref or "", secret)
        same = await asyncio.to_thread(bcrypt.checkpw, peppered, kept or self._dummy_hash)
        return same and kept is not None

    async def _read_hash(self, account_id: str, ref: str) -> bytes | None:
        sql = "SELECT hash FROM secrets WHERE account_id = ? AND ref = ?"
        row = await self._database.read(lambda c: c.execute(sql, (account_id, ref)).fetchone())
        return row["hash"].encode() if row else None

    def _apply_pepper(self, ref: str, secret: str) -> bytes:
        """44 bytes, whatever the secret: bcrypt takes 72 at most."""
        mixed = hmac.digest(self._pepper, f"{ref}\0{secret}".encode(), hashlib.sha256)
        return base64.b64encode(mixed)
