"""What the stores need of a database, whichever engine it has."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ivr.errors import SettingsError, install_command

if TYPE_CHECKING:
    from ivr.storage.postgresql.url import DatabaseUrl


T = TypeVar("T")
Transaction = Callable[[sqlite3.Connection], T]
"""A change or a query. A connection to PostgreSQL has the methods of one to SQLite that statements use."""

DATABASE_TIME = "CAST(strftime('%s', 'now') AS INTEGER)"
"""SQL expression: Unix seconds by the clock of the database, which all nodes share."""
OWN_ROWS: Sequence[str] = ()
"""For `write`: the change concerns rows that no other change reads before it writes, and adds no task that is due."""


class Database(Protocol):
    """A database with the tables of `ivr/storage/sqlite/migrations`."""

    async def write(self, transaction: Transaction[T], *, boxes: Sequence[str] | None = None) -> T:
        """Run `transaction(connection)` in one transaction and return its result; an exception of it rolls it back.

        `boxes`: ids of the mailboxes whose messages and counters it reads or changes, so that changes of others can
        happen at the same time where the engine permits it; None: it runs alone. Raises `StoreBusy`, `DiskFull` or
        `StoreError` if nothing has changed, `StoreUnsure` if that is not known.
        """

    async def read(self, query: Transaction[T]) -> T:
        """Run `query(connection)`, which changes nothing, and return its result. Raises `StoreBusy`, `StoreError`."""

    async def read_row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """Return the first row of a query, from memory if nothing was committed since it was read."""

    def recall_row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """Return what `read_row` would return, if that is in memory; None: it would have to be read."""

    async def read_directory_row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """Return the first row of a query of the directory, from memory if no commit may have changed it since."""

    async def verify_writable(self) -> None:
        """Change nothing in a transaction for changes. Raises as `write` does, and `StoreError` for a newer schema."""

    def change_fingerprint(self) -> bytes:
        """Return a value that changes with every commit of any process."""

    def directory_fingerprint(self) -> bytes:
        """Return a value that changes with every commit, except those known to have left the directory as it was."""

    def change_signal(self) -> bytes:
        """Return a value that has changed soon after a commit: at once for one of this process, but for `OWN_ROWS`."""

    def file_sizes(self) -> dict[str, int]:
        """Return the size in bytes of each file of the database that is on this machine."""

    async def truncate_log(self) -> None:
        """Remove what a log of the database still has of deleted rows, where this program can."""

    def close(self) -> None:
        """Finish the changes that were begun, then close the connections."""


def is_postgresql(connection: Any) -> bool:
    """Return whether statements of this connection, or of these tables, are executed by PostgreSQL."""
    return getattr(connection, "is_postgresql", False) is True


def parse_database_url(url: str, name: str) -> DatabaseUrl:
    """Return the address of PostgreSQL that is written in the setting or option `name`. Raises `SettingsError`."""
    try:
        from ivr.storage.postgresql.url import DatabaseUrl
    except ImportError as error:
        raise SettingsError(f"{name} needs the library psycopg ({error}): {install_command('scale')}") from error
    return DatabaseUrl(url, name)
