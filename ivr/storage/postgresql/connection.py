"""A connection to PostgreSQL that has the methods of one to SQLite which the statements use."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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


class PostgresqlConnection:
    """Executes statements of `ivr/storage/sqlite`. A violated constraint raises `sqlite3.IntegrityError`."""

    is_postgresql = True

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.driver = connection
        connection.adapters.register_dumper(int, Int8Dumper)
        connection.adapters.register_dumper(bool, _BoolDumper)
        connection.adapters.register_dumper(str, _TextDumper)
        connection.adapters.register_loader("numeric", _NumberLoader)

    def execute(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> psycopg.Cursor[PostgresqlRow]:
        """Execute a statement; its rows are read already."""
        statement = translate(sql)
        cursor: psycopg.Cursor[PostgresqlRow] = psycopg.RawCursor(self.driver, row_factory=_make_rows)
        try:
            return cursor.execute(statement.text.encode(), statement.values(values))
        except psycopg.IntegrityError as error:
            raise sqlite3.IntegrityError(str(error)) from error

    def executemany(
        self, sql: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]
    ) -> psycopg.Cursor[PostgresqlRow] | _NoRows:
        """Execute a statement for each of the rows; `rowcount` counts all of them."""
        statement = translate(sql)
        values = [statement.values(row) for row in rows]
        if not values:
            return _NoRows()
        cursor: psycopg.Cursor[PostgresqlRow] = psycopg.RawCursor(self.driver, row_factory=_make_rows)
        try:
            cursor.executemany(statement.text.encode(), values)
        except psycopg.IntegrityError as error:
            raise sqlite3.IntegrityError(str(error)) from error
        return cursor


class _NoRows:
    rowcount = 0


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
