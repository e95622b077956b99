"""Hashes of PINs and credentials, in SQLite."""

from __future__ import annotations

import sqlite3

from ivr.errors import Conflict
from ivr.storage.sqlite.database import Database


class SqliteSecrets:
    """The `SecretHashStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_hash(self, account_id: str, ref: str, hash: str | None) -> None:
        def replace_hash(connection: sqlite3.Connection) -> None:
            if hash is None:
                connection.execute("DELETE FROM secrets WHERE account_id = ? AND ref = ?", (account_id, ref))
            else:
                _insert(connection, account_id, ref, hash)

        await self._database.write(replace_hash)

    async def get_hash(self, account_id: str, ref: str) -> str | None:
        sql = "SELECT hash FROM secrets WHERE account_id = ? AND ref = ?"
        row = await self._database.read(lambda c: c.execute(sql, (account_id, ref)).fetchone())
        return str(row["hash"]) if row else None

    async def set_credentials(self, account_id: str, user_id: str, username: str, *, ref: str, hash: str) -> None:
        def replace_credentials(connection: sqlite3.Connection) -> None:
            sql = "SELECT 1 FROM users WHERE account_id = ? AND username = ? AND id <> ? AND deleted_at IS NULL"
            if connection.execute(sql, (account_id, username, user_id)).fetchone():
                raise Conflict(f"the username {username!r} is in use in this account: choose another")
            connection.execute("UPDATE users SET username = ? WHERE id = ?", (username, user_id))
            _insert(connection, account_id, ref, hash)

        await self._database.write(replace_credentials)

    async def find_ref(self, account_id: str, hash: str) -> str | None:
        sql = "SELECT ref FROM secrets WHERE account_id = ? AND hash = ?"
        row = await self._database.read(lambda c: c.execute(sql, (account_id, hash)).fetchone())
        return str(row["ref"]) if row else None

    async def bcrypt_costs(self, account_id: str, ref_prefix: str) -> list[int]:
        sql = "SELECT DISTINCT substr(hash, 5, 2) FROM secrets WHERE account_id = ? AND ref >= ? AND ref < ?"
        values = (account_id, ref_prefix, ref_prefix[:-1] + chr(ord(ref_prefix[-1]) + 1))
        return sorted(int(row[0]) for row in await self._database.read(lambda c: c.execute(sql, values).fetchall()))


def _insert(connection: sqlite3.Connection, account_id: str, ref: str, hash: str) -> None:
    sql = "INSERT OR REPLACE INTO secrets (account_id, ref, hash) VALUES (?, ?, ?)"
    connection.execute(sql, (account_id, ref, hash))
