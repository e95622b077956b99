"""All rows of a PostgreSQL database, for a move from SQLite or to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from psycopg.sql import SQL, Composable, Identifier

from ivr.errors import BadInput, StoreBusy, StoreError
from ivr.storage.postgresql.connection import ROW_NUMBER
from ivr.storage.postgresql.database import WHOLE_DATABASE
from ivr.storage.postgresql.error_translation import translate_postgresql_error
from ivr.storage.postgresql.schema import OTHER_SESSIONS, prepare_schema, read_applied, verify_schema
from ivr.storage.postgresql.url import DatabaseUrl
from ivr.storage.row_move import WRONG_COUNTERS, Row, in_order_of_keys

MIGRATIONS_TABLE = "migrations"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
_COLUMNS = (
    "SELECT a.attname, format_type(a.atttypid, NULL), a.attidentity <> '' FROM pg_attribute a"
    " WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> %s ORDER BY a.attnum"
)
_REFERENCES = (
    "SELECT k.confrelid::regclass::text FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = to_regclass(%s)"
)
_NEXT_TEXT_NUMBER = "SELECT setval('message_text_numbers', coalesce(max(id % 1048576), 0) + 1) FROM message_texts"
"""A message that is added later, with the time of one that is there, gets another number behind the time."""


class PostgresqlRowDatabase:
    """The `RowDatabase` of an address."""

    def __init__(self, url: DatabaseUrl) -> None:
        self.name = str(url)
        self._url = url

    def exists(self) -> bool:
        with self._connect() as driver:
            tables = [name for (name,) in driver.execute(_TABLES)]
            if tables and MIGRATIONS_TABLE not in tables:
                raise BadInput(
                    f"{self.name} is not empty: it has tables of another program ({', '.join(sorted(tables)[:3])});"
                    " create a database for ivr: createdb --owner=ivr --encoding=UTF8 --template=template0 ivr"
                )
            if applied := read_applied(driver):
                verify_schema(self._url, applied)
            return bool(applied)

    @contextmanager
    def open_snapshot(self) -> Iterator[PostgresqlRows]:
        with self._connect() as driver:
            verify_schema(self._url, read_applied(driver))
            driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield PostgresqlRows(driver)

    @contextmanager
    def open_alone(self) -> Iterator[PostgresqlRows]:
        with self._connect() as driver:
            verify_schema(self._url, read_applied(driver))
            self._refuse_services(driver)
            # For the session, so that the transaction sees what was committed before: a service that starts waits.
            driver.execute("SELECT pg_advisory_lock(%s)", (WHOLE_DATABASE,))
            driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield PostgresqlRows(driver)

    @contextmanager
    def create(self) -> Iterator[PostgresqlRows]:
        with self._connect() as driver:
            prepare_schema(self._url, driver)
            self._refuse_services(driver)
            with driver.transaction():
                driver.execute("SELECT pg_advisory_xact_lock(%s)", (WHOLE_DATABASE,))
                rows = PostgresqlRows(driver)
                for table in (tables := rows.tables()):
                    driver.execute(SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(Identifier(table)))
                if any(rows.count(table) for table in tables):
                    raise BadInput(f"{self.name} is not empty: another process has stored rows at this moment")
                yield rows
                for table in tables:
                    rows.continue_numbers(table)
                    driver.execute(SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(Identifier(table)))
                driver.execute(_NEXT_TEXT_NUMBER)
            driver.execute("ANALYZE")

    def _refuse_services(self, driver: psycopg.Connection[Any]) -> None:
        row = driver.execute(OTHER_SESSIONS).fetchone()
        if row and row[0]:
            raise StoreBusy(
                f"{self.name} is in use by {row[0]} connections of ivr: stop the services of all nodes (systemctl stop"
                " ivr.socket ivr) and every other program of ivr, then repeat this"
            )

    @contextmanager
    def _connect(self) -> Iterator[psycopg.Connection[Any]]:
        with closing(self._url.connect()) as driver:
            try:
                yield driver
            except psycopg.Error as error:
                raise translate_postgresql_error(error, self.name) from error


class PostgresqlRows:
    """The rows of a database, in the transaction of `driver`."""

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self._driver = driver

    def tables(self) -> Mapping[str, Sequence[str]]:
        def refers_to(table: str) -> list[str]:
            return [name for (name,) in self._driver.execute(_REFERENCES, (table,))]

        names = [name for (name,) in self._driver.execute(_TABLES) if name != MIGRATIONS_TABLE]
        return {table: list(self._types(table)) for table in in_order_of_keys(names, refers_to)}

    def _types(self, table: str) -> dict[str, str]:
        return {name: kind for name, kind, _ in self._driver.execute(_COLUMNS, (table, ROW_NUMBER))}

    def count(self, table: str) -> int:
        row = self._driver.execute(SQL("SELECT count(*) FROM {}").format(Identifier(table))).fetchone()
        return int(row[0]) if row else 0

    def read(self, table: str, columns: Sequence[str]) -> Iterator[Row]:
        types = self._types(table)
        if missing := [column for column in columns if column not in types]:
            raise StoreError(f"the table {table} of {self._driver.info.dbname} has no column {missing[0]}")
        sql = SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT").format(
            _quoted(columns), Identifier(table), Identifier(ROW_NUMBER)
        )
        with self._driver.cursor().copy(sql) as copy:
            copy.set_types([types[column] for column in columns])
            yield from copy.rows()

    def wrong_counters(self) -> int:
        row = self._driver.execute(WRONG_COUNTERS.encode()).fetchone()
        return int(row[0]) if row else 0

    def write(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        sql = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table), _quoted(columns))
        with self._driver.cursor().copy(sql) as copy:
            for row in rows:
                copy.write_row(row)

    def continue_numbers(self, table: str) -> None:
        """Let the keys that the database counts go on behind the last one."""
        for column, _, is_counted in self._driver.execute(_COLUMNS, (table, ROW_NUMBER)).fetchall():
            if is_counted:
                sql = SQL("SELECT setval(pg_get_serial_sequence(%s, %s), coalesce(max({}), 0) + 1, false) FROM {}")
                self._driver.execute(sql.format(Identifier(column), Identifier(table)), (table, column))


def _quoted(columns: Sequence[str]) -> Composable:
    return SQL(", ").join(map(Identifier, columns))
