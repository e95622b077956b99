"""Accounts, users and endpoints, in SQLite."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from typing import Any

from ivr.clock import Clock
from ivr.errors import Conflict, NotFound
from ivr.storage.database import Database
from ivr.storage.records import AccountRecord, EndpointRecord, UserRecord
from ivr.storage.sqlite import events, person_removal

NOT_DELETED = "deleted_at IS NULL"


class SqliteDirectory:
    """The `DirectoryStore` of one database file."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # -- accounts ----------------------------------------------------------------------------------------------------

    async def add_account(self, account: AccountRecord) -> None:
        now = int(self._clock.now())
        await self._database.write(lambda connection: insert_account(connection, account, now))

    async def account(self, account_id: str) -> AccountRecord:
        row = await self._fetch_one(f"SELECT * FROM accounts WHERE id = ? AND {NOT_DELETED}", account_id)
        if row is None:
            raise NotFound("there is no such account")
        return _account_from_row(row)

    async def find_account_by_name(self, name: str) -> AccountRecord | None:
        sql = f"SELECT * FROM accounts WHERE (id = ? OR name = ? OR realm = ?) AND {NOT_DELETED} ORDER BY id = ? DESC"
        row = await self._fetch_one(sql, name, name, name, name)
        return _account_from_row(row) if row else None

    async def find_account_by_box_number(self, number: str) -> AccountRecord | None:
        sql = (
            f"SELECT * FROM accounts WHERE {NOT_DELETED} AND id IN (SELECT box_numbers.account_id FROM box_numbers"
            " JOIN boxes ON boxes.id = box_numbers.box_id WHERE number = ? AND boxes.deleted_at IS NULL) LIMIT 2"
        )
        rows = await self._fetch_all(sql, number)
        return _account_from_row(rows[0]) if len(rows) == 1 else None

    async def accounts(self, *, include_deleted: bool = False) -> list[AccountRecord]:
        sql = f"SELECT * FROM accounts {'' if include_deleted else f'WHERE {NOT_DELETED}'} ORDER BY name"
        return [_account_from_row(row) for row in await self._fetch_all(sql)]

    async def single_account(self) -> AccountRecord | None:
        rows = await self._fetch_all(f"SELECT * FROM accounts WHERE {NOT_DELETED} LIMIT 2")
        return _account_from_row(rows[0]) if len(rows) == 1 else None

    async def update_account(self, account: AccountRecord) -> None:
        now = int(self._clock.now())
        await self._database.write(lambda connection: update_account(connection, account, now))

    async def delete_account(self, account_id: str) -> None:
        now = int(self._clock.now())

        def delete_if_empty(connection: sqlite3.Connection) -> None:
            for table in ("users", "boxes"):
                sql = f"SELECT 1 FROM {table} WHERE account_id = ? AND {NOT_DELETED}"
                if connection.execute(sql, (account_id,)).fetchone():
                    raise Conflict(f"the account still has {table}: delete those first")
            _soft_delete_account(connection, account_id, now)

        await self._database.write(delete_if_empty)

    # -- users ---------------------------------------------------------------------------------------------------------

    async def add_user(self, user: UserRecord) -> None:
        now = int(self._clock.now())
        await self._database.write(lambda connection: insert_user(connection, user, now))

    async def user(self, user_id: str) -> UserRecord:
        row = await self._fetch_one(f"SELECT * FROM users WHERE id = ? AND {NOT_DELETED}", user_id)
        if row is None:
            raise NotFound("there is no such user")
        return _user_from_row(row)

    async def find_user_by_name(self, account_id: str, name: str) -> UserRecord | None:
        sql = f"SELECT * FROM users WHERE account_id = ? AND (id = ? OR name = ?) AND {NOT_DELETED}"
        row = await self._fetch_one(sql, account_id, name, name)
        return _user_from_row(row) if row else None

    async def users(self, account_id: str) -> list[UserRecord]:
        sql = f"SELECT * FROM users WHERE account_id = ? AND {NOT_DELETED} ORDER BY name"
        return [_user_from_row(row) for row in await self._fetch_all(sql, account_id)]

    async def update_user(self, user: UserRecord) -> None:
        now = int(self._clock.now())
        await self._database.write(lambda connection: update_user(connection, user, now))

    async def delete_user(self, user_id: str) -> None:
        now = int(self._clock.now())

        await self._database.write(lambda connection: person_removal.purge_user(connection, user_id, now))

    # -- endpoints -----------------------------------------------------------------------------------------------------

    async def add_endpoint(self, endpoint: EndpointRecord) -> None:
        now = int(self._clock.now())
        await self._database.write(lambda connection: insert_endpoint(connection, endpoint, now))

    async def remove_endpoint(self, system: str, name: str) -> None:
        now = int(self._clock.now())
        await self._database.write(lambda connection: delete_endpoint(connection, system, name, now))

    async def endpoints(self, account_id: str | None = None) -> list[EndpointRecord]:
        where, values = ("", ()) if account_id is None else ("WHERE account_id = ?", (account_id,))
        sql = f"SELECT * FROM endpoints {where} ORDER BY system, name"
        return [EndpointRecord(**dict(row)) for row in await self._fetch_all(sql, *values)]

    async def endpoints_of_user(self, system: str, user_id: str) -> list[str]:
        sql = "SELECT name FROM endpoints WHERE system = ? AND user_id = ? ORDER BY name"
        return [str(row["name"]) for row in await self._fetch_all(sql, system, user_id)]

    async def user_of_endpoint(self, system: str, name: str) -> UserRecord | None:
        sql = (
            "SELECT users.* FROM endpoints JOIN users ON users.id = endpoints.user_id"
            " WHERE endpoints.system = ? AND endpoints.name = ? AND users.deleted_at IS NULL"
        )
        row = await self._fetch_one(sql, system, name)
        return _user_from_row(row) if row else None

    # -- rows ----------------------------------------------------------------------------------------------------------

    async def _fetch_one(self, sql: str, *values: object) -> sqlite3.Row | None:
        return await self._database.read_directory_row(sql, *values)

    async def _fetch_all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        return await self._database.read(lambda c: c.execute(sql, values).fetchall())


def insert_account(connection: sqlite3.Connection, account: AccountRecord, now: int) -> None:
    """Insert an account. Raises `Conflict` if its name or realm exists."""
    conflict_message = f"there is already an account {account.name!r} or realm {account.realm!r}"
    _insert(connection, "accounts", _dated(_account_columns(account), now), conflict_message)


def update_account(connection: sqlite3.Connection, account: AccountRecord, now: int) -> None:
    """Store a changed account; its realm may be part of message lights. Raises `NotFound`, `Conflict`."""
    before = connection.execute("SELECT realm FROM accounts WHERE id = ?", (account.id,)).fetchone()
    _update(connection, "accounts", _account_columns(account), now)
    if before["realm"] != account.realm:
        events.enqueue_mwi_of_account(connection, account.id, now)


def insert_user(connection: sqlite3.Connection, user: UserRecord, now: int) -> None:
    """Insert a user. Raises `Conflict` if the account has a user of that name."""
    conflict_message = f"the account already has a user {user.name!r}"
    _insert(connection, "users", _dated(_user_columns(user), now), conflict_message)


def update_user(connection: sqlite3.Connection, user: UserRecord, now: int) -> None:
    """Store a changed user. Raises `NotFound`, `Conflict`."""
    _update(connection, "users", _user_columns(user), now)


def insert_endpoint(connection: sqlite3.Connection, endpoint: EndpointRecord, now: int) -> None:
    """Assign an endpoint to a user, and enqueue its light. Raises `Conflict` if it is assigned already."""
    _insert(connection, "endpoints", asdict(endpoint), f"endpoint {endpoint.name!r} already belongs to a user")
    sql = f"SELECT 1 FROM boxes WHERE account_id = ? AND owner_id = ? AND {NOT_DELETED} LIMIT 1"
    if connection.execute(sql, (endpoint.account_id, endpoint.user_id)).fetchone():  # Otherwise no sum exists.
        events.enqueue_phone_mwi(connection, endpoint.account_id, endpoint.system, endpoint.name, now)


def delete_endpoint(connection: sqlite3.Connection, system: str, name: str, now: int) -> None:
    """Delete an endpoint, and enqueue its light. Raises `NotFound`."""
    sql = "DELETE FROM endpoints WHERE system = ? AND name = ? RETURNING account_id"
    row = connection.execute(sql, (system, name)).fetchone()
    if row is None:
        raise NotFound(f"endpoint {name!r} belongs to no user: see 'ivr endpoint list'")
    events.enqueue_phone_mwi(connection, row["account_id"], system, name, now)


def _dated(columns: dict[str, Any], now: int) -> dict[str, Any]:
    return {**columns, "created_at": now, "modified_at": now}


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any], conflict_message: str) -> None:
    columns, marks = ", ".join(row), ", ".join("?" * len(row))
    try:
        _ = connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(row.values())).rowcount
    except sqlite3.IntegrityError as error:
        raise Conflict(conflict_message) from error


def _update(connection: sqlite3.Connection, table: str, row: dict[str, Any], now: int) -> None:
    values = {**row, "modified_at": now}
    del values["id"], values["revision"]
    changes = ", ".join(f"{column} = ?" for column in values)
    sql = f"UPDATE {table} SET {changes}, revision = revision + 1 WHERE id = ? AND {NOT_DELETED}"
    try:
        changed = connection.execute(sql, (*values.values(), row["id"])).rowcount
    except sqlite3.IntegrityError as error:
        raise Conflict(f"the name {row['name']!r} is taken") from error
    if not changed:
        raise NotFound("the entry was deleted meanwhile")


def _soft_delete_account(connection: sqlite3.Connection, account_id: str, now: int) -> None:
    """Mark an account as deleted. Its unique names are changed, so that new accounts can use them."""
    sql = (
        "UPDATE accounts SET deleted_at = ?, name = name || ' ' || id, realm = realm || ' ' || id"
        f" WHERE id = ? AND {NOT_DELETED}"
    )
    if not connection.execute(sql, (now, account_id)).rowcount:
        raise NotFound("the entry was deleted already, or never existed")


def _account_columns(account: AccountRecord) -> dict[str, Any]:
    return {**asdict(account), "account_id": account.id, "settings": json.dumps(account.settings)}


def _account_from_row(row: sqlite3.Row) -> AccountRecord:
    return AccountRecord(
        id=row["id"],
        name=row["name"],
        realm=row["realm"],
        language=row["language"],
        timezone=row["timezone"],
        settings=json.loads(row["settings"]),
        revision=row["revision"],
    )


def _user_columns(user: UserRecord) -> dict[str, Any]:
    return {**asdict(user), "settings": json.dumps(user.settings)}


def _user_from_row(row: sqlite3.Row) -> UserRecord:
    return UserRecord(
        id=row["id"],
        account_id=row["account_id"],
        name=row["name"],
        username=row["username"],
        email=row["email"],
        language=row["language"],
        timezone=row["timezone"],
        voicemail_id=row["voicemail_id"],
        settings=json.loads(row["settings"]),
        revision=row["revision"],
    )
