"""A PostgreSQL database of another voicemail system. It is only read."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from ivr.errors import BadInput, ConfigurationError, NotFound, StoreError, install_command

NO_PSYCOPG = f"reading PostgreSQL needs psycopg: {install_command('import-postgresql')}"
PASSWORD_REMEDY = "put the password into ~/.pgpass or the variable PGPASSWORD"
CONNECT_TIMEOUT_S = 10

Row = dict[str, Any]


class PostgresqlSource:
    """A connection to a database. `place`: the database in words of an error. Threads may share it."""

    def __init__(self, dsn: str) -> None:
        try:
            import psycopg
            from psycopg.rows import dict_row
        except ImportError:
            raise ConfigurationError(NO_PSYCOPG) from None
        self._psycopg = psycopg
        self._columns: dict[str, list[str]] = {}
        parts = require_no_password(dsn)
        self.place = f"database {parts.get('dbname', '')} of {parts.get('host', 'localhost')}"
        try:
            self._connection = psycopg.connect(
                dsn,
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=CONNECT_TIMEOUT_S,
                options="-c default_transaction_read_only=on",
                application_name="ivr import",
            )
        except psycopg.Error as error:
            text = " ".join(str(error).split())
            remedy = f"; {PASSWORD_REMEDY}" if "password" in text else ""
            raise StoreError(f"{self.place} cannot be opened: {text}{remedy}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table of the search path, or `schema.table`; none if there is no such table."""
        if table not in self._columns:
            schema, _, name = table.rpartition(".")
            rows = self._fetch(
                "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
                [f'"{schema}"."{name}"' if schema else f'"{name}"'],
            )
            self._columns[table] = [row["attname"] for row in rows]
        return self._columns[table]

    def select(
        self, table: str, columns: Sequence[str], where: dict[str, Any] | None = None, *, order: Sequence[str] = ()
    ) -> list[Row]:
        """Return rows. Columns that the table does not have are None, as in older versions of the system.

        Raises `NotFound` if there is no such table, `BadInput` if it has not the columns of `where` and `order`,
        `StoreError`.
        """
        known = self.columns(table)
        if not known:
            raise NotFound(f"{self.place} has no table {table}, or the user may not see it")
        sql = self._psycopg.sql
        present = [column for column in columns if column in known]
        if missing := [column for column in (*(where or ()), *order) if column not in known]:
            raise BadInput(f"table {table} of {self.place} has no column {missing[0]}: it is another table")
        identifiers = sql.SQL(", ").join(map(sql.Identifier, present))
        query = sql.SQL("SELECT {} FROM {}").format(identifiers, sql.Identifier(*table.split(".")))
        if where:
            conditions = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder()) for name in where]
            query += sql.SQL(" WHERE ") + sql.SQL(" AND ").join(conditions)
        if order:
            query += sql.SQL(" ORDER BY ") + sql.SQL(", ").join(map(sql.Identifier, order))
        rows = self._fetch(query, list((where or {}).values()))
        return [{**dict.fromkeys(columns), **row} for row in rows]

    def large_object(self, identifier: int) -> bytes:
        """Return a large object, which a column of the type oid or lo names."""
        return bytes(self._fetch("SELECT lo_get(%s::oid) AS content", [identifier])[0]["content"])

    def content(self, value: Any) -> bytes:
        """Return the bytes of a column: its own, or those of the large object that it names."""
        return self.large_object(value) if isinstance(value, int) else bytes(value or b"")

    def _fetch(self, query: Any, parameters: Sequence[Any]) -> list[Row]:
        try:
            return list(self._connection.execute(query, parameters))
        except self._psycopg.Error as error:
            raise StoreError(f"{self.place}: {' '.join(str(error).split())}") from None


def require_no_password(dsn: str) -> dict[str, Any]:
    """Return the parts of a connection string. Raises `BadInput` if it is none, or has a password in it."""
    try:
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise ConfigurationError(NO_PSYCOPG) from None
    import psycopg

    try:
        parts = dict(conninfo_to_dict(dsn))
    except psycopg.Error as error:
        raise BadInput(f"--database: {' '.join(str(error).split())}: write it as 'host=HOST dbname=NAME'") from None
    if "password" in parts:
        raise BadInput(f"--database has a password, which everybody on this machine can see: {PASSWORD_REMEDY}")
    return parts
