"""All rows of a database file, for a move to PostgreSQL or from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from ivr.errors import StoreError, describe_error
from ivr.storage.data_folder import prepare_state_folder
from ivr.storage.files import fsync
from ivr.storage.row_move import NUL_REPLACEMENT, WRONG_COUNTERS, Row, in_order_of_keys
from ivr.storage.sqlite.database import SqliteDatabase
from ivr.storage.sqlite.error_translation import translate_sqlite_error
from ivr.storage.sqlite.schema import DatabaseSchema, finish_file, read_schema_version, verify_schema_version

SEARCH_TABLE = "message_search"
"""The full-text index; SQLite keeps it in tables whose names begin so."""
_TABLES = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%sqlite%'"
    f" AND substr(name, 1, {len(SEARCH_TABLE)}) <> '{SEARCH_TABLE}'"
)


class SqliteRowDatabase:
    """The `RowDatabase` of the file `path`, in the folder `state/` of a data folder."""

    def __init__(self, path: Path, busy_timeout_ms: int) -> None:
        self.name = str(path)
        self._path = path
        self._schema = DatabaseSchema(path, busy_timeout_ms)

    def exists(self) -> bool:
        try:
            return self._path.exists() and self._path.stat().st_size > 0
        except OSError as error:
            raise StoreError(f"{self._path} cannot be read: {describe_error(error)}") from error

    @contextmanager
    def open_snapshot(self) -> Iterator[SqliteRows]:
        with self._open(exclusive=False) as rows:
            yield rows

    @contextmanager
    def open_alone(self) -> Iterator[SqliteRows]:
        with self._open(exclusive=True) as rows:
            yield rows

    @contextmanager
    def _open(self, *, exclusive: bool) -> Iterator[SqliteRows]:
        with self._translated_errors(), closing(self._schema.connect(exclusive=exclusive)) as connection:
            verify_schema_version(self._path, read_schema_version(connection))
            connection.execute("BEGIN")
            yield SqliteRows(connection)
            connection.execute("ROLLBACK")

    @contextmanager
    def create(self) -> Iterator[SqliteRows]:
        """The file is another one until all rows are in it."""
        draft = self._path.with_name(f"{self._path.name}.moving")
        with self._translated_errors():
            prepare_state_folder(self._path.parent.parent)
            for suffix in ("", "-wal", "-shm", "-journal"):
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)
            SqliteDatabase(draft, sync=False).close()
            with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
                connection.row_factory = sqlite3.Row
                connection.execute("PRAGMA journal_mode = DELETE")  # All of it is in the one file then.
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("BEGIN")
                triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
                for trigger in triggers:
                    connection.execute(f"DROP TRIGGER {trigger['name']}")
                yield SqliteRows(connection)
                connection.execute(f"INSERT INTO {SEARCH_TABLE} ({SEARCH_TABLE}) VALUES ('rebuild')")
                for trigger in triggers:
                    connection.execute(trigger["sql"])
                connection.execute("COMMIT")
            finish_file(draft)
            draft.rename(self._path)
            fsync(self._path.parent)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise translate_sqlite_error(error, self._path) from error
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {describe_error(error)}") from error


class SqliteRows:
    """The rows of a database file, in the transaction of `connection`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def tables(self) -> Mapping[str, Sequence[str]]:
        def refers_to(table: str) -> list[str]:
            return [row["table"] for row in self._connection.execute(f'PRAGMA foreign_key_list("{table}")')]

        names = [row[0] for row in self._connection.execute(_TABLES)]
        return {table: self._columns(table) for table in in_order_of_keys(names, refers_to)}

    def _columns(self, table: str) -> list[str]:
        return [row["name"] for row in self._connection.execute(f'PRAGMA table_info("{table}")')]

    def count(self, table: str) -> int:
        return int(self._connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])

    def read(self, table: str, columns: Sequence[str]) -> Iterator[Row]:
        for row in self._connection.execute(f'SELECT {_quoted(columns)} FROM "{table}"'):  # In the order of rowid.
            yield tuple(value.replace("\0", NUL_REPLACEMENT) if isinstance(value, str) else value for value in row)

    def wrong_counters(self) -> int:
        return int(self._connection.execute(WRONG_COUNTERS).fetchone()[0])

    def write(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        sql = f'INSERT INTO "{table}" ({_quoted(columns)}) VALUES ({", ".join("?" * len(columns))})'
        self._connection.executemany(sql, rows)


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
