"""The schema of a PostgreSQL database: the same migrations as those of a file, recorded in the table `migrations`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import psycopg

from ivr.errors import BadInput, MigrationRequired, StoreError
from ivr.storage.postgresql.connection import PostgresqlConnection
from ivr.storage.postgresql.error_translation import translate_postgresql_error
from ivr.storage.postgresql.functions import FUNCTIONS
from ivr.storage.postgresql.tables import PostgresqlTables
from ivr.storage.postgresql.url import DatabaseUrl
from ivr.storage.records import MigrationPlan
from ivr.storage.sqlite.migrations import MIGRATIONS, SCHEMA_VERSION

if TYPE_CHECKING:
    from sqlite_utils import Database as Tables

SCHEMA_LOCK = 0x697672
"""Key of the advisory lock that a process holds while it changes the schema."""
OLDEST_SERVER = 130000


def prepare_schema(url: DatabaseUrl, driver: psycopg.Connection[object]) -> None:
    """Create the tables in an empty database. Raises `MigrationRequired`, and `StoreError` for a newer schema."""
    _verify_server(url, driver)
    applied = read_applied(driver)
    if not applied:
        _apply(driver)
        applied = read_applied(driver)
    verify_schema(url, applied)


def verify_schema(url: DatabaseUrl, applied: list[str]) -> None:
    """Raise `StoreError` if a newer version has applied a migration, `MigrationRequired` if some are missing."""
    if unknown := [name for name in applied if name not in MIGRATIONS]:
        raise StoreError(
            f"{url} was migrated by a newer version of ivr ({unknown[-1]}; this version knows schema {SCHEMA_VERSION}):"
            " install the newer version, or restore the backup made before the upgrade (docs/scale.md)"
        )
    if len(applied) < SCHEMA_VERSION:
        raise MigrationRequired(
            f"{url} was written by an earlier version of ivr (schema {len(applied)}, this version needs"
            f" {SCHEMA_VERSION}): stop the services of all nodes, back it up with pg_dump, and run 'ivr migrate'"
        )


def read_applied(driver: psycopg.Connection[object]) -> list[str]:
    """Return the names of the migrations that the database has, in the order in which they were applied."""
    row = driver.execute("SELECT to_regclass('migrations')").fetchone()
    if row is None or cast("tuple[object]", row)[0] is None:
        return []
    rows = driver.execute("SELECT name FROM migrations ORDER BY number").fetchall()
    return [str(cast("tuple[object]", row)[0]) for row in rows]


def _apply(driver: psycopg.Connection[object]) -> None:
    """Apply what is missing, in one transaction; another process that does the same is waited for."""
    connection = PostgresqlConnection(driver)
    with driver.transaction():
        driver.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        applied = read_applied(driver)
        if not applied:
            driver.execute(
                "CREATE TABLE migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, at BIGINT NOT NULL)"
            )
        for function in FUNCTIONS:
            driver.execute(f"CREATE OR REPLACE FUNCTION {function}".encode())
        tables = cast("Tables", PostgresqlTables(connection))
        for number, (name, migration) in enumerate(MIGRATIONS.items(), 1):
            if name not in applied:
                migration(tables)
                driver.execute("INSERT INTO migrations VALUES (%s, %s, extract(epoch FROM now()))", (number, name))


def _verify_server(url: DatabaseUrl, driver: psycopg.Connection[object]) -> None:
    if driver.info.server_version < OLDEST_SERVER:
        raise StoreError(f"{url} is PostgreSQL {driver.info.server_version // 10000}: PostgreSQL 13 or newer is needed")
    encoding = driver.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(f"{url} has the encoding {encoding}: create the database with ENCODING 'UTF8'")


class PostgresqlMigration:
    """Migrates the database of `url`. It has the methods of `DataFolderMigration`; its copies are those of the site."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._url = url

    @property
    def database(self) -> Path:
        """The database, as messages name it."""
        return Path(str(self._url))

    def plan(self) -> MigrationPlan:
        """Return what `run` would do; nothing is changed. Raises `StoreError`."""
        with self._url.connect() as driver:
            try:
                applied = read_applied(driver)
                row = driver.execute("SELECT pg_database_size(current_database())").fetchone()
            except psycopg.Error as error:
                raise translate_postgresql_error(error, str(self._url)) from error
        if any(name not in MIGRATIONS for name in applied):
            verify_schema(self._url, applied)
        return MigrationPlan(
            database=str(self._url),
            version=len(applied),
            program_version=SCHEMA_VERSION,
            pending=tuple(name for name in MIGRATIONS if name not in applied),
            copy=None,
            size_bytes=int(cast("tuple[int]", row)[0]),
            free_bytes=0,
            is_in_use=False,
            earlier_copy=None,
        )

    def run(self) -> MigrationPlan | None:
        """Apply the migrations that the database does not have. Return what was done; None: nothing was missing."""
        plan = self.plan()
        if not plan.pending:
            return None
        with self._url.connect() as driver:
            try:
                _apply(driver)
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
