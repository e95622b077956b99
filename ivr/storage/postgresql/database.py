"""Rows in PostgreSQL: threads with a connection each, a transaction for each change, and locks by mailbox.

A change that names its mailboxes shares the database with others, and waits only for changes of the same mailboxes. One
that names none runs alone. The locks are those of the database, so services of all nodes respect them, and they end
with the transaction.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import psycopg
import structlog

from ivr.errors import StoreError, StoreUnsure
from ivr.precedence import is_background
from ivr.storage.database import OWN_ROWS, Transaction
from ivr.storage.postgresql.connection import PostgresqlConnection
from ivr.storage.postgresql.error_translation import (
    TRANSIENT,
    is_lost,
    is_outdated_plan,
    may_be_committed,
    translate_postgresql_error,
)
from ivr.storage.postgresql.schema import prepare_schema, read_applied, verify_schema
from ivr.storage.postgresql.url import DatabaseUrl

T = TypeVar("T")

WHOLE_DATABASE = 0x69767200
"""Key of the advisory lock that a change shares with others, or holds alone."""
BOX_SPACE = 0x697672
"""First half of the keys of mailboxes, so that they are not those of another program."""
ATTEMPTS = 5
"""Times that a transaction is tried which another one has made fail."""
VERIFY_TIMEOUT_S = 1.5
"""Less than the health checks wait, for which a database that is slower is only busy."""
SIGNAL_INTERVAL_S = 0.25
"""Seconds after which a commit of another process is looked for."""

_LOCK_ALONE = f"SELECT pg_current_xact_id()::text, pg_advisory_xact_lock({WHOLE_DATABASE})"
_LOCK_SHARED = f"SELECT pg_current_xact_id()::text, pg_advisory_xact_lock_shared({WHOLE_DATABASE})"
_LOCK_BOX = f"SELECT pg_advisory_xact_lock({BOX_SPACE}, hashtext(%s))"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DatabasePatience:
    """How long a change waits."""

    unsure_s: float = 15
    """If the connection breaks in a commit, the server is asked for so long what has become of it."""
    lock_timeout_ms: int = 5000
    """For a lock of another transaction, as with SQLite."""


class PostgresqlDatabase:
    """The database of `url`. `connections`: of this process at most, half of them for calls, half for requests.

    `on_empty()`: called if it has never had an account, and raises `StoreError` if it must not be used then.
    `on_write(seconds)`: called in a thread with the time from the request of a change to its commit.
    """

    def __init__(
        self,
        url: DatabaseUrl,
        *,
        connections: int = 16,
        patience: DatabasePatience = DatabasePatience(),
        monotonic: Callable[[], float] = time.monotonic,
        on_write: Callable[[float], None] = lambda _: None,
        on_empty: Callable[[], None] = lambda: None,
    ) -> None:
        self._url = url
        self._patience = patience
        self._monotonic = monotonic
        self._on_write = on_write
        self._local = threading.local()
        self._connections: set[PostgresqlConnection] = set()
        self._commit_count = 0
        self._unique = itertools.count()
        connection = self._connect()
        try:
            prepare_schema(url, connection.driver)
            if not connection.driver.execute("SELECT 1 FROM accounts LIMIT 1").fetchone():
                on_empty()
        except (psycopg.Error, StoreError) as error:
            connection.driver.close()
            raise _translate(error, str(url)) from error
        connection.driver.close()
        self._connections.discard(connection)
        self._call_pool = ThreadPoolExecutor(max(1, connections // 2), "database")
        self._background_pool = ThreadPoolExecutor(max(1, connections // 2), "background-database")

    async def write(self, transaction: Transaction[T], *, boxes: Sequence[str] | None = None) -> T:
        """Run `transaction(connection)` in one transaction, again if another one makes it fail; see `Database`."""
        return await self._run(self._write, transaction, boxes, self._monotonic())

    async def read(self, query: Transaction[T]) -> T:
        return await self._run(self._read, query)

    async def read_row(self, sql: str, *values: object) -> sqlite3.Row | None:
        return await self.read(lambda connection: connection.execute(sql, values).fetchone())

    def recall_row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """Return None: other nodes commit without a sign, so nothing is kept in memory."""
        return None

    async def read_directory_row(self, sql: str, *values: object) -> sqlite3.Row | None:
        return await self.read_row(sql, *values)

    async def verify_writable(self) -> None:
        """Change no row in a transaction for changes. Raises as `write` does, and `StoreError` for a newer schema."""

        def change_no_row(connection: sqlite3.Connection) -> dict[str, bool]:
            connection.execute("UPDATE messages SET revision = revision WHERE false")
            return read_applied(cast("PostgresqlConnection", connection).driver)

        try:
            async with asyncio.timeout(VERIFY_TIMEOUT_S):
                applied = await self.write(change_no_row, boxes=OWN_ROWS)
        except TimeoutError:
            raise StoreError(
                f"PostgreSQL does not answer ({self._url}; no answer within {VERIFY_TIMEOUT_S} s: it is away, or a"
                " lock is held): start it, or correct database.url"
            ) from None
        verify_schema(self._url, applied)

    def change_fingerprint(self) -> bytes:
        """Return another value each time: other nodes commit without a sign."""
        return next(self._unique).to_bytes(8, "big")

    def directory_fingerprint(self) -> bytes:
        return self.change_fingerprint()

    def change_signal(self) -> bytes:
        return b"%d %d" % (self._commit_count, self._monotonic() // SIGNAL_INTERVAL_S)

    def file_sizes(self) -> dict[str, int]:
        """Return nothing: the files are those of the server."""
        return {}

    async def truncate_log(self) -> None:
        """Do nothing: PostgreSQL keeps deleted rows until its autovacuum, and its log until it is recycled."""

    def close(self) -> None:
        """Finish the changes that were begun, then close the connections."""
        self._call_pool.shutdown()
        self._background_pool.shutdown()
        for connection in self._connections:
            connection.driver.close()

    # -- in threads ----------------------------------------------------------------------------------------------------

    async def _run(self, function: Callable[..., T], *arguments: object) -> T:
        pool = self._background_pool if is_background() else self._call_pool
        return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)

    def _read(self, query: Transaction[T]) -> T:
        for attempt in itertools.count(1):
            connection = self._connection()
            try:
                return query(cast("sqlite3.Connection", connection))
            except (psycopg.Error, sqlite3.Error) as error:
                if not self._may_repeat(error, connection, attempt):
                    raise translate_postgresql_error(error, str(self._url)) from error
        raise AssertionError("unreachable")

    def _write(self, transaction: Transaction[T], boxes: Sequence[str] | None, requested_at: float) -> T:
        """Run a transaction until it is committed.

        The statements are sent without waiting for those before, and COMMIT behind the last one, so a change takes as
        many round trips as it asks for answers, and one more. The first answer comes when its locks are held.
        """
        for attempt in itertools.count(1):
            connection = self._connection()
            xact_id = ""
            try:
                with connection.pipeline():
                    began = self._begin(connection, boxes)
                    result = transaction(cast("sqlite3.Connection", connection))
                    xact_id = _first_value(began)
                    connection.driver.execute("COMMIT")
                break
            except (psycopg.Error, sqlite3.Error) as error:
                if xact_id and may_be_committed(error, connection.driver):
                    self._forget(connection)
                    log.warning("database.commit.unsure", transaction=xact_id, error=str(error))
                    if self._ask_fate(xact_id):
                        break
                    continue
                self._roll_back(connection)
                if not self._may_repeat(error, connection, attempt):
                    raise translate_postgresql_error(error, str(self._url)) from error
            except BaseException:
                self._roll_back(connection)
                raise
        if boxes is None or boxes:  # What concerns rows of its own adds no work for others.
            self._commit_count += 1
        self._on_write(self._monotonic() - requested_at)
        return result

    @staticmethod
    def _begin(connection: PostgresqlConnection, boxes: Sequence[str] | None) -> psycopg.Cursor[Any]:
        """Begin a transaction that waits for its locks. Return the cursor of its id, by which its fate can be asked.

        The locks are taken in one order by all, so that they never wait in a circle. The statements that follow see all
        that was committed before.
        """
        connection.driver.execute("BEGIN")
        began = connection.driver.execute(_LOCK_ALONE if boxes is None else _LOCK_SHARED)
        for box_id in sorted(set(boxes or ())):
            connection.driver.execute(_LOCK_BOX, (box_id,))
        return began

    def _roll_back(self, connection: PostgresqlConnection) -> None:
        """End a transaction that failed; a connection that cannot do that is replaced."""
        driver = connection.driver
        with suppress(psycopg.Error):
            driver.execute("ROLLBACK")
        if not driver.closed and driver.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self._forget(connection)

    def _ask_fate(self, xact_id: str) -> bool:
        """Ask the server, or its successor, whether a transaction was committed."""
        ends_at = time.monotonic() + self._patience.unsure_s
        while time.monotonic() < ends_at:
            with suppress(psycopg.Error, StoreError):
                row = self._connection().driver.execute("SELECT pg_xact_status(%s::xid8)", (xact_id,)).fetchone()
                if row and row[0] in ("committed", "aborted"):
                    log.info("database.commit.asked", transaction=xact_id, status=row[0])
                    return bool(row[0] == "committed")
            if (broken := getattr(self._local, "connection", None)) and broken.driver.closed:
                self._forget(broken)
            time.sleep(0.1)
        raise StoreUnsure(
            "the connection to PostgreSQL broke while it stored a change, which may have happened or not: look before"
            " you repeat it"
        )

    def _may_repeat(self, error: Exception, connection: PostgresqlConnection, attempt: int) -> bool:
        """Return whether a transaction that was not committed may succeed when it is repeated."""
        if is_lost(error, connection.driver) or is_outdated_plan(error):
            self._forget(connection)
            return attempt < ATTEMPTS
        if isinstance(error, TRANSIENT) and attempt < ATTEMPTS:
            time.sleep(random.uniform(0, 0.01 * attempt))  # Two that fail together shall not meet again.
            return True
        return False

    # -- connections ---------------------------------------------------------------------------------------------------

    def _connection(self) -> PostgresqlConnection:
        """Return the connection of this thread. Raises `StoreError`."""
        connection: PostgresqlConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    def _connect(self) -> PostgresqlConnection:
        connection = PostgresqlConnection(self._url.connect())
        try:
            connection.driver.execute(f"SET lock_timeout = {self._patience.lock_timeout_ms:d}".encode())
        except psycopg.Error as error:  # It was lost, or the server is being stopped.
            connection.driver.close()
            raise _translate(error, str(self._url)) from error
        self._connections.add(connection)
        return connection

    def _forget(self, connection: PostgresqlConnection) -> None:
        connection.driver.close()
        self._connections.discard(connection)
        self._local.connection = None


def _first_value(cursor: psycopg.Cursor[Any]) -> str:
    row = cursor.fetchone()
    return str(row[0]) if row else ""


def _translate(error: Exception, where: str) -> StoreError:
    return error if isinstance(error, StoreError) else translate_postgresql_error(error, where)
