"""Secrets, tokens and authentication attempts in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ivr.clock import Clock
from ivr.errors import Conflict
from ivr.storage.database import OWN_ROWS, Database
from ivr.storage.protocols import AttemptTransaction
from ivr.storage.records import AttemptCounter, AttemptKey, TaskKind, Token, TokenKind
from ivr.storage.sqlite import events

_IS_BCRYPT = "hash LIKE '$2%'"
"""The table holds a check value of the pepper too."""


class SqliteSecrets:
    """The `SecretHashStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_hash(self, account_id: str, ref: str, hash: str | None) -> None:
        def replace_hash(connection: sqlite3.Connection) -> None:
            if hash is None:
                connection.execute("DELETE FROM secrets WHERE account_id = ? AND ref = ?", (account_id, ref))
            else:
                insert_secret(connection, account_id, ref, hash)

        await self._database.write(replace_hash)

    async def get_hash(self, account_id: str, ref: str) -> str | None:
        sql = "SELECT hash FROM secrets WHERE account_id = ? AND ref = ?"
        row = await self._database.read_directory_row(sql, account_id, ref)
        return str(row["hash"]) if row else None

    async def replace_hash(self, account_id: str, ref: str, old_hash: str, new_hash: str) -> None:
        sql = "UPDATE secrets SET hash = ? WHERE account_id = ? AND ref = ? AND hash = ?"
        await self._database.write(lambda c: c.execute(sql, (new_hash, account_id, ref, old_hash)).rowcount)

    async def tag_hashes(self, separator: str, tag: str) -> None:
        sql = f"UPDATE secrets SET hash = hash || ?1 || ?2 WHERE {_IS_BCRYPT} AND instr(hash, ?1) = 0"
        await self._database.write(lambda c: c.execute(sql, (separator, tag)).rowcount)

    async def count_hashes_by_tag(self, separator: str) -> dict[str, int]:
        sql = (
            "SELECT CASE instr(hash, ?1) WHEN 0 THEN '' ELSE substr(hash, instr(hash, ?1) + 1) END AS tag, count(*)"
            f" FROM secrets WHERE {_IS_BCRYPT} GROUP BY tag"
        )
        rows = await self._database.read(lambda c: c.execute(sql, (separator,)).fetchall())
        return {str(row[0]): int(row[1]) for row in rows}

    async def set_credentials(self, account_id: str, user_id: str, username: str, hashes: Mapping[str, str]) -> None:
        def replace_credentials(connection: sqlite3.Connection) -> None:
            sql = "SELECT 1 FROM users WHERE account_id = ? AND username = ? AND id <> ? AND deleted_at IS NULL"
            if connection.execute(sql, (account_id, username, user_id)).fetchone():
                raise Conflict(f"the username {username!r} is in use in this account: choose another")
            connection.execute("UPDATE users SET username = ? WHERE id = ?", (username, user_id))
            for ref, hash in hashes.items():
                insert_secret(connection, account_id, ref, hash)

        await self._database.write(replace_credentials)

    async def find_ref(self, account_id: str, hash: str) -> str | None:
        sql = "SELECT ref FROM secrets WHERE account_id = ? AND hash = ?"
        row = await self._database.read(lambda c: c.execute(sql, (account_id, hash)).fetchone())
        return str(row["ref"]) if row else None

    async def bcrypt_costs(self, account_id: str, ref_prefix: str) -> list[int]:
        sql = "SELECT DISTINCT substr(hash, 5, 2) FROM secrets WHERE account_id = ? AND ref >= ? AND ref < ?"
        values = (account_id, ref_prefix, ref_prefix[:-1] + chr(ord(ref_prefix[-1]) + 1))
        return sorted(int(row[0]) for row in await self._database.read(lambda c: c.execute(sql, values).fetchall()))


def insert_secret(connection: sqlite3.Connection, account_id: str, ref: str, hash: str) -> None:
    """Store the hash of a secret in place of an earlier one."""
    sql = (
        "INSERT INTO secrets (account_id, ref, hash) VALUES (?, ?, ?)"
        " ON CONFLICT (account_id, ref) DO UPDATE SET hash = excluded.hash"
    )
    connection.execute(sql, (account_id, ref, hash))


OF_NO_DELETED_BOX = (
    "(tokens.box_id IS NULL"
    " OR EXISTS (SELECT 1 FROM boxes WHERE boxes.id = tokens.box_id AND boxes.deleted_at IS NULL))"
)
"""Sessions of the page that a PIN has opened end with their mailbox."""


class SqliteTokens:
    """The `TokenRecordStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, token: Token, *, parent_hash: str | None, max_sessions: int | None = None) -> None:
        sql = (
            "INSERT INTO tokens"
            " (hash, account_id, user_id, label, kind, created_at, expires_at, parent_hash, box_id, proof)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
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
            token.box_id,
            token.proof,
        )

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(sql, values)
            if max_sessions is not None:
                _revoke_oldest(connection, token, parent_hash, max_sessions)

        await self._database.write(insert)

    async def contains(self, hash: str) -> bool:
        sql = "SELECT 1 FROM tokens WHERE hash = ?"
        return await self._database.read(lambda c: c.execute(sql, (hash,)).fetchone() is not None)

    async def find(self, hash: str) -> Token | None:
        sql = (
            "SELECT tokens.* FROM tokens JOIN accounts ON accounts.id = tokens.account_id"
            " LEFT JOIN users ON users.id = tokens.user_id"
            " WHERE tokens.hash = ? AND accounts.deleted_at IS NULL"
            " AND (tokens.user_id IS NULL OR (users.id IS NOT NULL AND users.deleted_at IS NULL))"
            f" AND {OF_NO_DELETED_BOX}"
        )
        row = await self._database.read_directory_row(sql, hash)
        return _token_from_row(row) if row else None

    async def of_account(self, account_id: str) -> list[Token]:
        sql = f"SELECT * FROM tokens WHERE account_id = ? AND {OF_NO_DELETED_BOX} ORDER BY created_at, hash"
        rows = await self._database.read(lambda c: c.execute(sql, (account_id,)).fetchall())
        return [_token_from_row(row) for row in rows]

    async def record_uses(self, uses: Mapping[str, int]) -> None:
        sql = (
            "UPDATE tokens SET last_used_at = max(coalesce(last_used_at, 0), ?1)"
            " WHERE hash IN (?2, (SELECT parent_hash FROM tokens WHERE hash = ?2))"
        )
        rows = [(used_at, hash) for hash, used_at in uses.items()]
        await self._database.write(lambda c: c.executemany(sql, rows).rowcount, boxes=OWN_ROWS)

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

    async def revoke_of_boxes(self, account_id: str, box_ids: Sequence[str]) -> None:
        now = int(self._clock.now())
        sql = "UPDATE tokens SET revoked_at = ? WHERE account_id = ? AND box_id = ? AND revoked_at IS NULL"
        rows = [(now, account_id, box_id) for box_id in box_ids]
        await self._database.write(lambda c: c.executemany(sql, rows).rowcount)


def _revoke_oldest(connection: sqlite3.Connection, newest: Token, parent_hash: str | None, max_sessions: int) -> None:
    sql = (
        "UPDATE tokens SET revoked_at = :now WHERE hash IN ("
        "SELECT hash FROM tokens WHERE account_id = :account_id AND kind = :kind AND user_id IS :user_id"
        " AND box_id IS :box_id"
        " AND parent_hash IS :parent_hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)"
        " ORDER BY hash = :newest DESC, created_at DESC, hash LIMIT -1 OFFSET :max_sessions)"
    )
    values = {
        "now": newest.created_at,
        "account_id": newest.account_id,
        "kind": newest.kind,
        "user_id": newest.user_id,
        "box_id": newest.box_id,
        "parent_hash": parent_hash,
        "newest": newest.hash,
        "max_sessions": max_sessions,
    }
    connection.execute(sql, values)


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
        last_used_at=row["last_used_at"],
        box_id=row["box_id"],
        proof=row["proof"] or "",
    )


T = TypeVar("T")

_WHERE_KEY = "account_id = ? AND scope = ? AND subject = ?"
_WHERE_OWN_PHONE = "scope = 'own_phone' AND subject >= ? AND subject < ?"
"""Subjects are the id of a mailbox, a blank, and the name of a phone: see `_own_phone_range`."""


def _own_phone_range(box_id: str) -> tuple[str, str]:
    return f"{box_id} ", f"{box_id}!"  # "!" follows the blank.


class SqliteAuthAttempts:
    """The `AuthAttemptStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def transact(self, change: Callable[[AttemptTransaction], T]) -> T:
        now = int(self._clock.now())
        return await self._database.write(lambda connection: change(SqliteAttemptTransaction(connection, now)))

    async def counter(self, key: AttemptKey) -> AttemptCounter:
        return await self._database.read(lambda connection: _read_counter(connection, key))

    async def box_locked_until(self, account_id: str, box_id: str) -> int:
        sql = (
            "SELECT max(locked_until) FROM auth_attempts WHERE account_id = ?"
            f" AND (scope = 'box' AND subject = ? OR {_WHERE_OWN_PHONE})"
        )
        values = (account_id, box_id, *_own_phone_range(box_id))
        row = await self._database.read(lambda connection: connection.execute(sql, values).fetchone())
        return int(row[0] or 0)


class SqliteAttemptTransaction:
    """The `AttemptTransaction` of an open transaction that began at `now` (Unix s)."""

    def __init__(self, connection: sqlite3.Connection, now: int) -> None:
        self._connection = connection
        self._now = now

    def counter(self, key: AttemptKey) -> AttemptCounter:
        return _read_counter(self._connection, key)

    def set_counter(self, key: AttemptKey, counter: AttemptCounter) -> None:
        self._connection.execute(
            "INSERT INTO auth_attempts"
            " (account_id, scope, subject, failure_count, window_started_at, lock_count, locked_until)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account_id, scope, subject) DO UPDATE SET"
            " failure_count = excluded.failure_count, window_started_at = excluded.window_started_at,"
            " lock_count = excluded.lock_count, locked_until = excluded.locked_until",
            (
                key.account_id,
                key.scope,
                key.subject,
                counter.failure_count,
                counter.window_started_at,
                counter.lock_count,
                counter.locked_until,
            ),
        )

    def delete_counter(self, key: AttemptKey) -> None:
        values = (key.account_id, key.scope, key.subject)
        self._connection.execute(f"DELETE FROM auth_attempts WHERE {_WHERE_KEY}", values)

    def delete_own_phone_counters(self, account_id: str, box_id: str) -> None:
        sql = f"DELETE FROM auth_attempts WHERE account_id = ? AND {_WHERE_OWN_PHONE}"
        self._connection.execute(sql, (account_id, *_own_phone_range(box_id)))

    def enqueue_account_locked(self, account_id: str) -> None:
        events.enqueue(self._connection, TaskKind.ACCOUNT_LOCKED, self._now, account_id=account_id, box_id="")

    def enqueue_box_locked(self, account_id: str, box_id: str) -> None:
        events.enqueue_box_locked(self._connection, account_id, box_id, self._now)


def _read_counter(connection: sqlite3.Connection, key: AttemptKey) -> AttemptCounter:
    sql = f"SELECT failure_count, window_started_at, lock_count, locked_until FROM auth_attempts WHERE {_WHERE_KEY}"
    row = connection.execute(sql, (key.account_id, key.scope, key.subject)).fetchone()
    return AttemptCounter(*row) if row else AttemptCounter()
