"""The schema of a PostgreSQL database: the same migrations as those of a file, recorded in the table `migrations`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psycopg

from ivr.errors import BadInput, MigrationRequired, StoreBusy, StoreError
from ivr.storage.postgresql.connection import PostgresqlConnection
from ivr.storage.postgresql.error_translation import translate_postgresql_error
from ivr.storage.postgresql.functions import FUNCTIONS
from ivr.storage.postgresql.tables import PostgresqlTables
from ivr.storage.postgresql.url import DatabaseUrl
from ivr.storage.records import MigrationPlan
from ivr.storage.sqlite.migrations import ADDITIONS, MIGRATIONS, SCHEMA_VERSION

if TYPE_CHECKING:
    from sqlite_utils import Database as Tables

SCHEMA_LOCK = 0x697672
"""Key of the advisory lock that a process holds while it changes the schema."""
OLDEST_SERVER = 130000
OTHER_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND application_name = current_setting('application_name')"
)
"""SQL: number of connections to this database by other processes of ivr."""
_APPLIED = "SELECT name, coalesce((to_jsonb(migrations) ->> 'is_addition')::int, 0) FROM migrations ORDER BY number"


def prepare_schema(url: DatabaseUrl, driver: psycopg.Connection[Any]) -> None:
    """Create the tables in an empty database. Raises `MigrationRequired`, and `StoreError` for a newer schema."""
    _verify_server(url, driver)
    applied = read_applied(driver)
    if not applied:
        _apply(driver)
        applied = read_applied(driver)
    verify_schema(url, applied)


def verify_schema(url: DatabaseUrl, applied: Mapping[str, bool]) -> None:
    """Raise `StoreError` if a newer version has changed more than to add, `MigrationRequired` if something is missing.

    `applied`: as `read_applied` returns it.
    """
    if unknown := [name for name, is_addition in applied.items() if name not in MIGRATIONS and not is_addition]:
        raise StoreError(
            f"{url} was migrated by a newer version of ivr ({unknown[-1]}; this version knows schema {SCHEMA_VERSION}):"
            " install the newer version, or restore the backup made before the upgrade (docs/scale.md)"
        )
    known = sum(name in MIGRATIONS for name in applied)
    if known < SCHEMA_VERSION:
        raise MigrationRequired(
            f"{url} was written by an earlier version of ivr (schema {known}, this version needs"
            f" {SCHEMA_VERSION}): stop the services of all nodes, back it up with pg_dump, and run 'ivr migrate'"
        )


def read_applied(driver: psycopg.Connection[Any]) -> dict[str, bool]:
    """Return the migrations that the database has, in their order, and whether each only adds."""
    row = driver.execute("SELECT to_regclass('migrations')").fetchone()
    if row is None or row[0] is None:
        return {}
    return {str(name): bool(is_addition) for name, is_addition in driver.execute(_APPLIED)}


def _apply(
    driver: psycopg.Connection[Any],
    migrations: Mapping[str, Callable[[Tables], None]] = MIGRATIONS,
    additions: frozenset[str] = ADDITIONS,
) -> None:
    """Apply what is missing, in one transaction; another process that does the same is waited for."""
    connection = PostgresqlConnection(driver)
    with driver.transaction():
        lock_timeout = driver.execute("SHOW lock_timeout").fetchone()
        driver.execute("SET LOCAL lock_timeout = 0")  # Migrations of another node may take minutes.
        driver.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        driver.execute("SELECT set_config('lock_timeout', %s, true)", lock_timeout)
        applied = read_applied(driver)
        if not applied:
            driver.execute(
                "CREATE TABLE migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, at BIGINT NOT NULL)"
            )
        driver.execute("ALTER TABLE migrations ADD COLUMN IF NOT EXISTS is_addition BIGINT NOT NULL DEFAULT 0")
        for function in FUNCTIONS:
            driver.execute(f"CREATE OR REPLACE FUNCTION {function}".encode())
        tables = cast("Tables", PostgresqlTables(connection))
        for number, (name, migration) in enumerate(migrations.items(), 1):
            if name not in applied:
                migration(tables)
                driver.execute(
                    "INSERT INTO migrations (number, name, at, is_addition)"
                    " VALUES (%s, %s, extract(epoch FROM now()), %s)",
                    (number, name, int(name in additions)),
                )


def _verify_server(url: DatabaseUrl, driver: psycopg.Connection[Any]) -> None:
    if driver.info.server_version < OLDEST_SERVER:
        raise StoreError(f"{url} is PostgreSQL {driver.info.server_version // 10000}: PostgreSQL 13 or newer is needed")
    encoding = driver.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(f"{url} has the encoding {encoding}: create the database with ENCODING 'UTF8'")


class PostgresqlMigration:
    """Migrates the database of `url`. It has the methods of `DataFolderMigration`; its copies are those of the site.

    `additions`: those of the migrations that services of the version before can work beside.
    """

    def __init__(
        self,
        url: DatabaseUrl,
        migrations: Mapping[str, Callable[[Tables], None]] = MIGRATIONS,
        additions: frozenset[str] = ADDITIONS,
    ) -> None:
        self._url = url
        self._migrations = migrations
        self._additions = additions

    @property
    def database(self) -> Path:
        """The database, as messages name it."""
        return Path(str(self._url))

    def plan(self) -> MigrationPlan:
        """Return what `run` would do; nothing is changed. Raises `StoreError`."""
        with self._url.connect() as driver:
            try:
                applied = read_applied(driver)
                size = driver.execute("SELECT pg_database_size(current_database())").fetchone()
                sessions = driver.execute(OTHER_SESSIONS).fetchone()
            except psycopg.Error as error:
                raise translate_postgresql_error(error, str(self._url)) from error
        known = [name for name in applied if name in self._migrations]
        if len(known) < len(applied):
            verify_schema(self._url, applied)
        return MigrationPlan(
            database=str(self._url),
            version=len(known),
            program_version=len(self._migrations),
            pending=tuple(name for name in self._migrations if name not in applied),
            copy=None,
            size_bytes=int(size[0]) if size else 0,
            free_bytes=0,
            is_in_use=bool(sessions and sessions[0]),
            earlier_copy=None,
        )

    def run(self) -> MigrationPlan | None:
        """Apply the migrations that the database does not have. Return what was done; None: nothing was missing.

        Raises `StoreBusy` if services use the database that could not work beside these migrations.
        """
        plan = self.plan()
        if not plan.pending:
            return None
        if plan.version and plan.is_in_use and not self._additions.issuperset(plan.pending):
            raise StoreBusy(
                f"{self._url} is in use, and services of the earlier version cannot work with the new schema: stop the"
                " services of all nodes (systemctl stop ivr.socket ivr), then repeat this (docs/scale.md#upgrading)"
            )
        with self._url.connect() as driver:
            try:
                _apply(driver, self._migrations, self._additions)
            except psycopg.Error as error:
                raise translate_postgresql_error(error, str(self._url)) from error
        return plan if plan.version else None

    def move_files(self) -> bool:
        """Return False: no version had rows in PostgreSQL and another layout of the data folder."""
        return False

    def go_back(self) -> tuple[Path, Path]:
        """Raise `BadInput`: only PostgreSQL's own tools can bring an earlier state back."""
        raise BadInput(
            f"{self._url} has no copy of an earlier schema: restore the dump that was made before the upgrade"
            " (docs/scale.md)"
        )
