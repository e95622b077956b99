"""What the checks of a running service read and try, in SQLite."""

from __future__ import annotations

import sqlite3

from ivr.storage.database import DATABASE_TIME, Database, is_postgresql
from ivr.storage.records import ZoneUse
from ivr.storage.sqlite.calls import SqliteOverview
from ivr.storage.sqlite.migrations import SCHEMA_VERSION
from ivr.storage.sqlite.nodes import read_trusted_time

_ZONES = (
    "SELECT 'account' AS kind, min(name) AS name, timezone AS zone, '' AS account FROM accounts"
    " WHERE deleted_at IS NULL GROUP BY timezone"
    " UNION ALL SELECT 'user', min(users.name), users.timezone, min(accounts.name) FROM users"
    " JOIN accounts ON accounts.id = users.account_id WHERE users.deleted_at IS NULL GROUP BY users.timezone"
    " UNION ALL SELECT 'box', min(mailbox), json_extract(settings, '$.timezone') AS zone, '' FROM boxes"
    " WHERE deleted_at IS NULL GROUP BY zone"
)


class SqliteHealth:
    """The `HealthStore` of one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._overview = SqliteOverview(database)

    @property
    def schema_version(self) -> int:
        return SCHEMA_VERSION

    async def verify_writable(self) -> None:
        await self._database.verify_writable()

    async def newest_message_at(self) -> int:
        return await self._overview.newest_message_at()

    async def trusted_time(self) -> int:
        return await self._database.read(read_trusted_time)

    async def server_time(self) -> int | None:
        def read_time(connection: sqlite3.Connection) -> int | None:
            if not is_postgresql(connection):
                return None
            return int(connection.execute(f"SELECT {DATABASE_TIME}").fetchone()[0])

        return await self._database.read(read_time)

    async def zones(self) -> list[ZoneUse]:
        return await self._database.read(_read_zones)


def _read_zones(connection: sqlite3.Connection) -> list[ZoneUse]:
    rows = [ZoneUse(**dict(row)) for row in connection.execute(_ZONES) if row["zone"]]
    return [row for row in rows if row.zone != "inherit"]
