"""Who is who: accounts, users, and whose device is whose."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from ivr.clock import Clock
from ivr.directory.models import Account, Endpoint, User
from ivr.errors import Conflict, NotFound
from ivr.ids import IdGenerator
from ivr.storage.sqlite.database import Database

NOT_DELETED = "deleted_at IS NULL"


OnEndpointChanged = Callable[[sqlite3.Connection, str, str, str, int], None]
"""Told within the transaction by which a phone becomes somebody's or nobody's: account, system, endpoint, Unix s."""


class Directory:
    """The directory of one installation, in the database file. Names are unique among what is not deleted."""

    def __init__(
        self, database: Database, clock: Clock, ids: IdGenerator, on_endpoint_changed: OnEndpointChanged
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._on_endpoint_changed = on_endpoint_changed

    # -- accounts ----------------------------------------------------------------------------------------------------

    async def create_account(self, account: Account) -> Account:
        """Raises `Conflict` where the name or the realm is taken."""
        now = int(self._clock.now())
        created = account.model_copy(
            update={
                "id": account.id or self._ids.new_document_id(),
                "realm": account.realm or account.name,
                "revision": 1,
            }
        )
        row = {**_account_to_row(created), "created_at": now, "modified_at": now}
        await self._insert("accounts", row, f"there is already an account {created.name!r} or realm {created.realm!r}")
        return created

    async def account(self, account_id: str) -> Account:
        """Raises `NotFound`."""
        return _account_from_row(
            await self._fetch_one(
                f"SELECT * FROM accounts WHERE id = ? AND {NOT_DELETED}", account_id, entity="account"
            )
        )

    async def find_account_by_name(self, name: str) -> Account:
        """By id, name or realm. Raises `NotFound`."""
        sql = f"SELECT * FROM accounts WHERE (id = :it OR name = :it OR realm = :it) AND {NOT_DELETED} ORDER BY id = :it DESC"
        row = await self._database.read(lambda c: c.execute(sql, {"it": name}).fetchone())
        if row is None:
            raise NotFound(f"there is no account {name!r}: see 'ivr account list'")
        return _account_from_row(row)

    async def accounts(self, *, include_deleted: bool = False) -> list[Account]:
        """All of them, by name."""
        sql = f"SELECT * FROM accounts {'' if include_deleted else f'WHERE {NOT_DELETED}'} ORDER BY name"
        return [_account_from_row(row) for row in await self._database.read(lambda c: c.execute(sql).fetchall())]

    async def update_account(self, account: Account) -> Account:
        """Raises `NotFound`, `Conflict`."""
        await self._update("accounts", account.id, _account_to_row(account), f"the name {account.name!r} is taken")
        return await self.account(account.id)

    async def delete_account(self, account_id: str) -> None:
        """Only an account without users and boxes can go. Raises `NotFound`, `Conflict`."""
        now = int(self._clock.now())

        def verb(connection: sqlite3.Connection) -> None:
            for table in ("users", "boxes"):
                if connection.execute(
                    f"SELECT 1 FROM {table} WHERE account_id = ? AND {NOT_DELETED}", (account_id,)
                ).fetchone():
                    raise Conflict(f"the account still has {table}: delete those first")
            _soft_delete(connection, "accounts", account_id, now)

        await self._database.write(verb)

    # -- users ---------------------------------------------------------------------------------------------------------

    async def create_user(self, user: User) -> User:
        """Raises `Conflict` where the account has a user of that name."""
        now = int(self._clock.now())
        created = user.model_copy(update={"id": user.id or self._ids.new_document_id(), "revision": 1})
        row = {**_user_to_row(created), "created_at": now, "modified_at": now}
        await self._insert("users", row, f"the account already has a user {created.name!r}")
        return created

    async def user(self, user_id: str) -> User:
        """Raises `NotFound`."""
        return _user_from_row(
            await self._fetch_one(f"SELECT * FROM users WHERE id = ? AND {NOT_DELETED}", user_id, entity="user")
        )

    async def find_user_by_name(self, account_id: str, name: str) -> User:
        """By id or name. Raises `NotFound`."""
        sql = f"SELECT * FROM users WHERE account_id = ? AND (id = ? OR name = ?) AND {NOT_DELETED}"
        row = await self._database.read(lambda c: c.execute(sql, (account_id, name, name)).fetchone())
        if row is None:
            raise NotFound(f"there is no user {name!r} in this account: see 'ivr user list'")
        return _user_from_row(row)

    async def users(self, account_id: str) -> list[User]:
        """Those of one account, by name."""
        sql = f"SELECT * FROM users WHERE account_id = ? AND {NOT_DELETED} ORDER BY name"
        return [
            _user_from_row(row) for row in await self._database.read(lambda c: c.execute(sql, (account_id,)).fetchall())
        ]

    async def update_user(self, user: User) -> User:
        """Raises `NotFound`, `Conflict`."""
        await self._update("users", user.id, _user_to_row(user), f"the name {user.name!r} is taken")
        return await self.user(user.id)

    async def delete_user(self, user_id: str) -> None:
        """The user's devices become nobody's. Raises `NotFound`."""
        now = int(self._clock.now())

        def verb(connection: sqlite3.Connection) -> None:
            sql = "DELETE FROM endpoints WHERE user_id = ? RETURNING account_id, system, name"
            for row in connection.execute(sql, (user_id,)).fetchall():
                self._on_endpoint_changed(connection, row["account_id"], row["system"], row["name"], now)
            _soft_delete(connection, "users", user_id, now)

        await self._database.write(verb)

    # -- devices -------------------------------------------------------------------------------------------------------

    async def add_endpoint(self, endpoint: Endpoint) -> None:
        """Raises `Conflict` where the device already is somebody's."""
        now = int(self._clock.now())

        def also(connection: sqlite3.Connection) -> None:
            sql = f"SELECT 1 FROM boxes WHERE account_id = ? AND owner_id = ? AND {NOT_DELETED} LIMIT 1"
            if connection.execute(sql, (endpoint.account_id, endpoint.user_id)).fetchone():  # Else there is no sum.
                self._on_endpoint_changed(connection, endpoint.account_id, endpoint.system, endpoint.name, now)

        taken = f"endpoint {endpoint.name!r} already belongs to a user"
        await self._insert("endpoints", endpoint.model_dump(), taken, also)

    async def remove_endpoint(self, system: str, name: str) -> None:
        """Raises `NotFound`."""
        now = int(self._clock.now())

        def verb(connection: sqlite3.Connection) -> None:
            sql = "DELETE FROM endpoints WHERE system = ? AND name = ? RETURNING account_id"
            row = connection.execute(sql, (system, name)).fetchone()
            if row is None:
                raise NotFound(f"endpoint {name!r} belongs to nobody: see 'ivr endpoint list'")
            self._on_endpoint_changed(connection, row["account_id"], system, name, now)

        await self._database.write(verb)

    async def endpoints(self, account_id: str | None = None) -> list[Endpoint]:
        """All, or those of one account, by name."""
        sql = "SELECT * FROM endpoints WHERE ? IS NULL OR account_id = ? ORDER BY system, name"
        rows = await self._database.read(lambda c: c.execute(sql, (account_id, account_id)).fetchall())
        return [Endpoint(**dict(row)) for row in rows]

    async def user_of_endpoint(self, system: str, name: str) -> User | None:
        """Whose device it is."""
        sql = (
            "SELECT users.* FROM endpoints JOIN users ON users.id = endpoints.user_id"
            " WHERE endpoints.system = ? AND endpoints.name = ? AND users.deleted_at IS NULL"
        )
        row = await self._database.read(lambda c: c.execute(sql, (system, name)).fetchone())
        return _user_from_row(row) if row else None

    # -- rows ----------------------------------------------------------------------------------------------------------

    async def _fetch_one(self, sql: str, *values: object, entity: str) -> sqlite3.Row:
        row: sqlite3.Row | None = await self._database.read(lambda c: c.execute(sql, values).fetchone())
        if row is None:
            raise NotFound(f"there is no such {entity}")
        return row

    async def _insert(
        self,
        table: str,
        row: dict[str, Any],
        conflict_message: str,
        after_insert: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        columns, marks = ", ".join(row), ", ".join("?" * len(row))

        def verb(connection: sqlite3.Connection) -> None:
            try:
                connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(row.values()))
            except sqlite3.IntegrityError as error:
                raise Conflict(conflict_message) from error
            if after_insert:
                after_insert(connection)

        await self._database.write(verb)

    async def _update(self, table: str, row_id: str, row: dict[str, Any], conflict_message: str) -> None:
        values = {**row, "modified_at": int(self._clock.now())}
        del values["id"], values["revision"]
        changes = ", ".join(f"{column} = ?" for column in values)

        def verb(connection: sqlite3.Connection) -> None:
            sql = f"UPDATE {table} SET {changes}, revision = revision + 1 WHERE id = ? AND {NOT_DELETED}"
            try:
                changed = connection.execute(sql, (*values.values(), row_id)).rowcount
            except sqlite3.IntegrityError as error:
                raise Conflict(conflict_message) from error
            if not changed:
                raise NotFound("it was deleted meanwhile")

        await self._database.write(verb)


def _soft_delete(connection: sqlite3.Connection, table: str, row_id: str, now: int) -> None:
    """Deleted rows stay, under names that nobody can take for theirs."""
    sql = f"UPDATE {table} SET deleted_at = ?, name = name || ' ' || id WHERE id = ? AND {NOT_DELETED}"
    if not connection.execute(sql, (now, row_id)).rowcount:
        raise NotFound("it was deleted already, or never was")
    if table == "accounts":
        connection.execute("UPDATE accounts SET realm = realm || ' ' || id WHERE id = ?", (row_id,))


def _account_to_row(account: Account) -> dict[str, Any]:
    return {
        **account.model_dump(exclude={"settings"}),
        "account_id": account.id,
        "settings": json.dumps(account.settings),
    }


def _account_from_row(row: sqlite3.Row) -> Account:
    return Account(
        **{key: row[key] for key in Account.model_fields if key != "settings"}, settings=json.loads(row["settings"])
    )


def _user_to_row(user: User) -> dict[str, Any]:
    return {**user.model_dump(exclude={"settings"}), "settings": json.dumps(user.settings)}


def _user_from_row(row: sqlite3.Row) -> User:
    return User(
        **{key: row[key] for key in User.model_fields if key != "settings"}, settings=json.loads(row["settings"])
    )
