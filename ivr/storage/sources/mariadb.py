"""A MariaDB or MySQL database of another voicemail system. It is only read."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from ivr.errors import BadInput, ConfigurationError, NotFound, StoreError, install_command

SCHEMES = ("mysql", "mariadb")
EXAMPLE = "write it as 'mysql://USER@HOST/DATABASE'"
NO_PYMYSQL = f"reading MariaDB needs PyMySQL: {install_command('import-mariadb')}"
PASSWORD_REMEDY = "put the password under [client] into ~/.my.cnf"
CONNECT_TIMEOUT_S = 10
ACCESS_DENIED = (1044, 1045, 1698)
"""Codes of the server: the user or the password is refused."""

Row = dict[str, Any]


def is_mariadb_url(database: str) -> bool:
    """Return whether `--database` names a MariaDB or MySQL rather than a PostgreSQL."""
    return database.partition("://")[0] in SCHEMES


class MariadbSource:
    """A connection to a database. `place`: the database in words of an error. Threads may share it.

    `url`: `mysql://USER@HOST:PORT/DATABASE`. What it leaves out, and the password, come from ~/.my.cnf, as those of
    MariaDB's own programs. Raises `BadInput` for another form, `ConfigurationError` without PyMySQL, `StoreError`.
    """

    def __init__(self, url: str) -> None:
        parts = _parse(url)
        try:
            import pymysql
            from pymysql.cursors import DictCursor
        except ImportError:
            raise ConfigurationError(NO_PYMYSQL) from None
        self._errors = pymysql.err
        self._columns: dict[str, list[str]] = {}
        self._lock = threading.Lock()  # A connection of PyMySQL has one user at a time.
        name = parts.path.lstrip("/")
        self.place = f"database {name} of {parts.hostname or 'the host of ~/.my.cnf'}"
        client = _read_client_options(Path("~/.my.cnf").expanduser())
        try:
            self._connection = pymysql.connect(
                host=parts.hostname or client.get("host"),
                port=parts.port or int(client.get("port") or 0),
                unix_socket=None if parts.hostname not in (None, "localhost") else client.get("socket"),
                user=parts.username or client.get("user"),
                password=client.get("password") or "",
                database=name,
                charset="utf8mb4",
                init_command="SET SESSION TRANSACTION READ ONLY",
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT_S,
                program_name="ivr import",
                cursorclass=DictCursor,
            )
        except (pymysql.err.MySQLError, RuntimeError, ValueError) as error:
            remedy = f"; {PASSWORD_REMEDY}" if error.args and error.args[0] in ACCESS_DENIED else ""
            raise StoreError(f"{self.place} cannot be opened: {_describe(error)}{remedy}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table of the database, or `database.table`; none if there is no such table."""
        if table not in self._columns:
            database, _, name = table.rpartition(".")
            rows = self._fetch(
                "SELECT column_name AS name FROM information_schema.columns"
                " WHERE table_schema = COALESCE(NULLIF(%s, ''), DATABASE()) AND table_name = %s"
                " ORDER BY ordinal_position",
                [database, name],
            )
            self._columns[table] = [row["name"] for row in rows]
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
        if missing := [column for column in (*(where or ()), *order) if column not in known]:
            raise BadInput(f"table {table} of {self.place} has no column {missing[0]}: it is another table")
        present = ", ".join(_quote(column) for column in columns if column in known)
        query = f"SELECT {present} FROM {'.'.join(map(_quote, table.split('.')))}"
        if where:
            query += " WHERE " + " AND ".join(f"{_quote(name)} = %s" for name in where)
        if order:
            query += " ORDER BY " + ", ".join(map(_quote, order))
        return [{**dict.fromkeys(columns), **row} for row in self._fetch(query, list((where or {}).values()))]

    def content(self, value: Any) -> bytes:
        """Return the bytes of a column."""
        return bytes(value or b"")

    def _fetch(self, query: str, parameters: Sequence[Any]) -> list[Row]:
        try:
            with self._lock, self._connection.cursor() as cursor:
                cursor.execute(query, tuple(parameters))
                return list(cursor.fetchall())
        except self._errors.MySQLError as error:
            raise StoreError(f"{self.place}: {_describe(error)}") from None


def _parse(url: str) -> SplitResult:
    """Return the parts of an address. Raises `BadInput` if it is none, or has a password in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadInput(f"--database: {error}: {EXAMPLE}") from None
    if parts.password is not None:
        raise BadInput(f"--database has a password, which everybody on this machine can see: {PASSWORD_REMEDY}")
    name = parts.path.lstrip("/")
    if not is_mariadb_url(url) or not name or "/" in name or parts.query or parts.fragment or port == 0:
        raise BadInput(f"--database: {EXAMPLE}")
    return parts


def _read_client_options(file: Path) -> dict[str, str]:
    """Return the options of [client], as MariaDB's programs read them; none if there is no such file."""
    parser = ConfigParser(allow_no_value=True, strict=False, interpolation=None)
    try:
        parser.read(file)
    except (ConfigParserError, OSError) as error:
        raise StoreError(f"{file} cannot be read: {_describe(error)}") from None
    section = parser["client"] if parser.has_section("client") else {}
    return {name: (value or "").strip("'\"") for name, value in section.items()}


def _quote(identifier: str) -> str:
    """Return a name of a column or table as SQL. PyMySQL takes `%` for a parameter."""
    return f"`{identifier.replace('`', '``').replace('%', '%%')}`"


def _describe(error: Exception) -> str:
    return " ".join(str(error.args[-1] if error.args else error).split())
