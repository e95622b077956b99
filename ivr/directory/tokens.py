"""Tokens: 256 random bits by which a program says who it is. Only their SHA-256 is kept.

A token reaches an account, or one user's boxes. Revoking one revokes the sessions that were opened with it.
"""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ivr.clock import Clock
from ivr.errors import BadInput, NotFound
from ivr.storage.sqlite.database import Database

TOKEN_BYTES = 32
TOKEN_ID_LENGTH = 12
"""Characters of a token's hash by which people name it."""
DAY_S = 86_400


class TokenKind(StrEnum):
    API_KEY = "key"
    """Made by an administrator."""
    SESSION = "session"
    """Got for a key, and reaches what the key does."""
    LOGIN = "login"
    """Got for a user's credentials."""


@dataclass(frozen=True, slots=True)
class Token:
    """Who may come in by it, and until when."""

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

    @property
    def id(self) -> str:
        """How people name it."""
        return self.hash[:TOKEN_ID_LENGTH]

    def is_valid(self, now: float) -> bool:
        """Whether it still opens anything."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class TokenStore:
    """The tokens of one database file."""

    def __init__(self, database: Database, clock: Clock, random_bytes: Callable[[int], bytes]) -> None:
        self._database = database
        self._clock = clock
        self._random_bytes = random_bytes

    async def create(
        self,
        account_id: str,
        user_id: str | None = None,
        label: str = "",
        *,
        lifetime_s: int | None = None,
        kind: TokenKind = TokenKind.API_KEY,
        parent: Token | None = None,
    ) -> tuple[str, Token]:
        """A new one: the text that is shown this once, and what is kept of it. A session ends with its parent."""
        text = base64.urlsafe_b64encode(self._random_bytes(TOKEN_BYTES)).decode().rstrip("=")
        now = int(self._clock.now())
        ends = [now + lifetime_s] if lifetime_s is not None else []
        ends += [parent.expires_at] if parent and parent.expires_at is not None else []
        token = Token(hash_token(text), account_id, user_id, label, kind, now, min(ends, default=None))
        sql = (
            "INSERT INTO tokens (hash, account_id, user_id, label, kind, created_at, expires_at, parent)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        )
        values = (token.hash, account_id, user_id, label, kind, now, token.expires_at, parent and parent.hash)
        await self._database.write(lambda c: c.execute(sql, values).rowcount)
        return text, token

    async def find(self, text: str) -> Token | None:
        """The token with that text, if it still holds. One whose account or user is gone holds no more."""
        sql = (
            "SELECT tokens.* FROM tokens JOIN accounts ON accounts.id = tokens.account_id"
            " LEFT JOIN users ON users.id = tokens.user_id"
            " WHERE tokens.hash = ? AND accounts.deleted_at IS NULL"
            " AND (tokens.user_id IS NULL OR (users.id IS NOT NULL AND users.deleted_at IS NULL))"
        )
        row = await self._database.read(lambda c: c.execute(sql, (hash_token(text),)).fetchone())
        token = _token_from_row(row) if row else None
        return token if token and token.is_valid(self._clock.now()) else None

    async def list_api_keys(self, account_id: str) -> list[Token]:
        """Those that hold and were made by an administrator, oldest first."""
        sql = "SELECT * FROM tokens WHERE account_id = ? ORDER BY created_at, hash"
        rows = await self._database.read(lambda c: c.execute(sql, (account_id,)).fetchall())
        found = map(_token_from_row, rows)
        return [t for t in found if t.kind is TokenKind.API_KEY and t.is_valid(self._clock.now())]

    async def revoke(self, account_id: str, id_prefix: str) -> Token:
        """End the token whose id begins like this, and what was opened with it. Raises `NotFound`, `BadInput`."""
        found = [
            token
            for token in await self.list_api_keys(account_id)
            if id_prefix and token.hash.startswith(id_prefix.lower())
        ]
        if not found:
            raise NotFound(f"there is no token {id_prefix!r} in this account: see 'ivr token list'")
        if len(found) > 1:
            raise BadInput(f"{len(found)} tokens begin with {id_prefix!r}: give more of it")
        now = int(self._clock.now())
        sql = "UPDATE tokens SET revoked_at = ? WHERE hash = ? OR parent = ?"
        await self._database.write(lambda c: c.execute(sql, (now, found[0].hash, found[0].hash)).rowcount)
        return found[0]

    async def revoke_logins(self, account_id: str, user_id: str) -> None:
        """What a user signed in with is over, as after a new password."""
        now = int(self._clock.now())
        sql = (
            "UPDATE tokens SET revoked_at = ?"
            " WHERE account_id = ? AND user_id = ? AND kind = 'login' AND revoked_at IS NULL"
        )
        await self._database.write(lambda c: c.execute(sql, (now, account_id, user_id)).rowcount)


def hash_token(text: str) -> str:
    """What is kept of a token; plain SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _token_from_row(row: sqlite3.Row) -> Token:
    return Token(
        row["hash"],
        row["account_id"],
        row["user_id"],
        row["label"] or "",
        TokenKind(row["kind"] or "key"),
        row["created_at"],
        row["expires_at"],
        row["revoked_at"],
    )
