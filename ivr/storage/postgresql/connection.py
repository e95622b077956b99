"""A connection to PostgreSQL that has the methods of one to SQLite which the statements use."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumperUnknown

from ivr.storage.postgresql.dialect import translate

ROW_NUMBER = "rowid"
"""Column that each table has besides its own, as in SQLite: `*` does not include it."""


class PostgresqlRow:
    """A row whose values are read by name or position."""

    __slots__ = ("_columns", "_values")

    def __init__(self, columns: Mapping[str, int], values: Sequence[Any]) -> None:
        self._columns = columns
        self._values = values

    def __getitem__(self, key: str | int) -> Any:
        return self._values[self._columns[key] if isinstance(key, str) else key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return tuple(self._values) == tuple(other) if isinstance(other, PostgresqlRow | tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._values))

    def keys(self) -> list[str]:
        """Return the names of the columns."""
        return list(self._columns)


def _make_rows(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], PostgresqlRow]:
    names = [column.name for column in cursor.description or ()]
    shown = [position for position, name in enumerate(names) if name != ROW_NUMBER]
    columns: dict[str, int] = {}
    for position, source in enumerate(shown):
        columns.setdefault(names[source], position)
    if len(shown) == len(names):
        return lambda values: PostgresqlRow(columns, values)
    return lambda values: PostgresqlRow(columns, [values[position] for position in shown])


class PostgresqlCursor(psycopg.RawCursor[PostgresqlRow]):
    """The result of a statement, which is waited for when it is asked for. A violated constraint is told then."""

    pipeline: psycopg.Pipeline | None = None
    """What the statement was sent in."""

    @property
    def rowcount(self) -> int:
        """Number of rows that the statement has returned or changed."""
        if self.pipeline and self.pgresult is None:
            with _translated_violations():
                self.pipeline.sync()
        return super().rowcount

    def fetchone(self) -> PostgresqlRow | None:
        with _translated_violations():
            return super().fetchone()

    def fetchall(self) -> list[PostgresqlRow]:
        with _translated_violations():
            return super().fetchall()

    def __iter__(self) -> Iterator[PostgresqlRow]:  # type: ignore[override]  # psycopg's iterates over itself
        return iter(self.fetchall())


class PostgresqlConnection:
    """Executes statements of `ivr/storage/sqlite`. A violated constraint raises `sqlite3.IntegrityError`."""

    is_postgresql = True

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.driver = connection
        self._pipeline: psycopg.Pipeline | None = None
        connection.adapters.register_dumper(int, Int8Dumper)
        connection.adapters.register_dumper(bool, _BoolDumper)
        connection.adapters.register_dumper(str, _TextDumper)
        connection.adapters.register_loader("numeric", _NumberLoader)

    def execute(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> PostgresqlCursor:
        """Execute a statement. Within `pipeline` it is only sent; its result is waited for when it is asked for."""
        statement = translate(sql)
        cursor = PostgresqlCursor(self.driver, row_factory=_make_rows)
        cursor.pipeline = self._pipeline
        with _translated_violations():
            cursor.execute(statement.text.encode(), statement.values(values))
        return cursor

    def executemany(self, sql: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> _Executions:
        """Execute a statement for each of the rows; `rowcount` counts all of them."""
        return _Executions([self.execute(sql, row) for row in rows])

    @contextmanager
    def pipeline(self) -> Iterator[None]:
        """Send statements without waiting for the one before; the end waits for all.

        Behind a statement that fails, the server executes none until its error was read.
        """
        with self.driver.pipeline() as pipeline:
            self._pipeline = pipeline
            try:
                yield
            except BaseException:
                with suppress(psycopg.Error):
                    pipeline.sync()
                raise
            finally:
                self._pipeline = None


class _Executions:
    """Several executions of one statement."""

    def __init__(self, cursors: Sequence[PostgresqlCursor]) -> None:
        self._cursors = cursors

    @property
    def rowcount(self) -> int:
        return sum(cursor.rowcount for cursor in reversed(self._cursors))  # The last one waits for all.


@contextmanager
def _translated_violations() -> Iterator[None]:
    try:
        yield
    except psycopg.IntegrityError as error:
        raise sqlite3.IntegrityError(str(error)) from error


class _BoolDumper(Int8Dumper):
    """Truth values are stored as 0 and 1."""

    def dump(self, obj: Any) -> Buffer | None:
        return super().dump(int(obj))


class _TextDumper(StrDumperUnknown):
    """PostgreSQL cannot store the character NUL, which no text of ours needs."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\ufffd"))


class _NumberLoader(Loader):
    """Sums are numbers of Python, as those of SQLite are."""

    def load(self, data: Buffer) -> int | float:
        text = bytes(data).decode()
        return float(text) if "." in text else int(text)
