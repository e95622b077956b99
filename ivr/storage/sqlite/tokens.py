"""Tokens of the REST API, in SQLite."""

from __future__ import annotations

import sqlite3

from ivr.clock import Clock
from ivr.storage.records import Token, TokenKind
from ivr.storage.sqlite.database import Database


class SqliteTokens:
    """The `TokenRecordStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, token: Token, *, parent_hash: str | None) -> None:
        sql = (
            "INSERT INTO tokens (hash, account_id, user_id, label, kind, created_at, expires_at, parent_hash)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        )
        values = (
            token.hash,
            token.account_id,
            token.user_id,
            token.label,
            token.kind,
            token.created_at,
            token.expires_at,
            parent_hash,
        )
        await self._database.write(lambda c: c.execute(sql, values).rowcount)

    async def find(self, hash: str) -> Token | None:
        sql = (
            "SELECT tokens.* FROM tokens JOIN accounts ON accounts.id = tokens.account_id"
            " LEFT JOIN users ON users.id = tokens.user_id"
            " WHERE tokens.hash = ? AND accounts.deleted_at IS NULL"
            " AND (tokens.user_id IS NULL OR (users.id IS NOT NULL AND users.deleted_at IS NULL))"
        )
        row = await self._database.read(lambda c: c.execute(sql, (hash,)).fetchone())
        return _token_from_row(row) if row else None

    async def of_account(self, account_id: str) -> list[Token]:
        sql = "SELECT * FROM tokens WHERE account_id = ? ORDER BY created_at, hash"
        rows = await self._database.read(lambda c: c.execute(sql, (account_id,)).fetchall())
        return [_token_from_row(row) for row in rows]

    async def revoke(self, hash: str) -> None:
        now = int(self._clock.now())
        sql = "UPDATE tokens SET revoked_at = ? WHERE hash = ? OR parent_hash = ?"
        await self._database.write(lambda c: c.execute(sql, (now, hash, hash)).rowcount)

    async def revoke_of_user(self, account_id: str, user_id: str, kind: TokenKind) -> None:
        now = int(self._clock.now())
        sql = (
            "UPDATE tokens SET revoked_at = ? WHERE account_id = ? AND user_id = ? AND kind = ? AND revoked_at IS NULL"
        )
        await self._database.write(lambda c: c.execute(sql, (now, account_id, user_id, kind)).rowcount)


def _token_from_row(row: sqlite3.Row) -> Token:
    return Token(
        hash=row["hash"],
        account_id=row["account_id"],
        user_id=row["user_id"],
        label=row["label"] or "",
        kind=TokenKind(row["kind"] or TokenKind.API_KEY),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )
