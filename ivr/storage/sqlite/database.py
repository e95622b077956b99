"""The database file: one writer thread that commits waiting changes together, a few readers, and no SQL of its own.

The event loop never touches SQLite: `write` and `read` run in other threads. When `write` returns, the change is
synced to the disk.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from ivr.errors import StoreError
from ivr.precedence import is_background
from ivr.storage.database import Transaction
from ivr.storage.files import inherit_owner
from ivr.storage.read_cache import ReadCache
from ivr.storage.sqlite.directory_changes import DirectoryChanges, require_directory_tables
from ivr.storage.sqlite.error_translation import translate_sqlite_error
from ivr.storage.sqlite.migrations import SCHEMA_VERSION, apply_migrations
from ivr.storage.sqlite.schema import FILE_MODE, read_schema_version, verify_schema_version
from ivr.storage.sqlite.wal_index import WalIndex

T = TypeVar("T")
Queued = tuple[Transaction[Any], "asyncio.Future[Any]", float]
"""A change, the future of its result, and when it was queued (monotonic seconds)."""
MAX_CACHED_ROWS = 10_000
Outcome = tuple["asyncio.Future[Any]", Any, Exception | None]
MAX_COMMIT_BATCH = 200
"""Changes committed together at most."""


class SqliteDatabase:
    """One SQLite file. `busy_timeout_ms`: milliseconds to wait for the lock of another process.

    `on_write(seconds)`: called in the writer's thread with the time from the request of a change to its commit.
    """

    def __init__(
        self,
        path: Path,
        *,
        busy_timeout_ms: int = 5000,
        reader_count: int = 3,
        sync: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        on_write: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms
        self._sync = sync
        self._monotonic = monotonic
        self._on_write = on_write
        self._queue: queue.PriorityQueue[tuple[int, int, Queued | None]] = queue.PriorityQueue()
        """Rank, number, and the change: those of calls (rank 0) precede those of requests (1) and the end (2)."""
        self._queued = itertools.count()
        self._thread_local = threading.local()
        self._wal_index = WalIndex(path)
        self._rows = ReadCache(self.change_fingerprint, max_entries=MAX_CACHED_ROWS)
        self._directory_changes = DirectoryChanges(self.change_fingerprint)
        self._directory_rows = ReadCache(self._directory_changes.fingerprint, max_entries=MAX_CACHED_ROWS)
        self._reader_connections: list[sqlite3.Connection] = []
        self._writer_connection = self._connect()
        self._prepare_schema()
        self._watch_directory()
        self._opened_files = self._file_ids()
        self._reader_pool = ThreadPoolExecutor(reader_count, "reader")
        self._background_reader_pool = ThreadPoolExecutor(reader_count, "background-reader")
        """Threads of their own, so that no call waits for the long queries of requests."""
        self._writer_thread = threading.Thread(target=self._writer_loop, name="writer", daemon=True)
        self._writer_thread.start()

    async def write(self, transaction: Transaction[T], *, boxes: Sequence[str] | None = None) -> T:
        """Run `transaction(connection)` in one transaction and return its result; an exception of it rolls it back.

        Raises `StoreBusy`, `DiskFull` or `StoreError` if nothing could be written. Changes run one after the other.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put((int(is_background()), next(self._queued), (transaction, future, self._monotonic())))
        return await future

    async def read(self, query: Transaction[T]) -> T:
        """Run `query(connection)` on a read-only connection and return its result. Raises `StoreBusy`, `StoreError`."""
        pool = self._background_reader_pool if is_background() else self._reader_pool
        return await asyncio.get_running_loop().run_in_executor(pool, self._read, query)

    async def read_row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """Return the first row of a query, from memory if nothing was committed since it was read.

        Raises `StoreBusy`, `StoreError`.
        """
        return await self._read_row(self._rows, sql, values)

    def recall_row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """Return what `read_row` would return, if that is in memory; None: it would have to be read."""
        row: sqlite3.Row | None = self._rows.recall((sql, *values))
        return row

    async def read_directory_row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """Return the first row of a query, from memory if no commit may have changed the directory since it was read.

        For rows that every request needs: token, account, user, mailbox. Raises `StoreBusy`, `StoreError`; ValueError
        for other tables.
        """
        return await self._read_row(self._directory_rows, sql, values)

    async def _read_row(self, cache: ReadCache, sql: str, values: tuple[object, ...]) -> sqlite3.Row | None:
        async def read_first() -> sqlite3.Row | None:
            if cache is self._directory_rows:
                require_directory_tables(sql)
            return await self.read(lambda connection: connection.execute(sql, values).fetchone())

        row: sqlite3.Row | None = await cache.get((sql, *values), read_first)
        return row

    async def verify_writable(self) -> None:
        """Take the lock for a change, and release it. Raises as `write` does, and `StoreError` for a newer schema."""
        version = await self.write(lambda c: int(c.execute("PRAGMA user_version").fetchone()[0]))
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self._path} was migrated by a newer version of ivr (schema {version}, the running service knows"
                f" {SCHEMA_VERSION}): restart the service with the newer version"
            )

    def change_fingerprint(self) -> bytes:
        """Return a value that changes with every commit of any process. Costs less than a microsecond, reads no row."""
        return self._wal_index.header()

    def directory_fingerprint(self) -> bytes:
        """Return a value that changes with every commit, except those known to have left the directory as it was.

        The directory is accounts, users and their phones, tokens, secrets, and mailboxes without their messages.
        """
        return self._directory_changes.fingerprint()

    def change_signal(self) -> bytes:
        """Return the fingerprint, which is at hand."""
        return self.change_fingerprint()

    def file_sizes(self) -> dict[str, int]:
        """Return the size in bytes of the files `database` and `wal`; a missing file has 0."""
        paths = {"database": self._path, "wal": self._path.with_name(f"{self._path.name}-wal")}
        return {name: path.stat().st_size if path.exists() else 0 for name, path in paths.items()}

    async def truncate_log(self) -> None:
        """Copy the write-ahead log into the file, and cut it to nothing unless a reader still needs it."""
        await asyncio.to_thread(self._truncate_log)

    def _truncate_log(self) -> None:
        connection = self._connect()
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise translate_sqlite_error(error) from error
        finally:
            connection.close()

    def close(self) -> None:
        """Commit the queued changes, then close the file."""
        self._queue.put((2, 0, None))
        self._writer_thread.join()
        self._reader_pool.shutdown()
        self._background_reader_pool.shutdown()
        for connection in [*self._reader_connections, self._writer_connection]:
            connection.close()
        self._wal_index.close()

    # -- the writer's thread -----------------------------------------------------------------------------------

    def _writer_loop(self) -> None:
        while (first := self._queue.get()[2]) is not None:
            batch = [first]
            while len(batch) < MAX_COMMIT_BATCH and not self._queue.empty():
                if (queued := self._queue.get()[2]) is None:
                    self._queue.put((2, 0, None))
                    break
                batch.append(queued)
            self._commit_batch(batch)

    def _commit_batch(self, batch: list[Queued]) -> None:
        # Without those whose caller was cancelled. The others are committed even if the caller is gone meanwhile.
        batch = [queued for queued in batch if not queued[1].cancelled()]
        outcomes: list[Outcome] = []
        try:
            self._require_opened_file()
            self._writer_connection.execute("BEGIN IMMEDIATE")
            self._directory_changes.begin()
            for transaction, future, _ in batch:
                outcomes.append((future, *self._run_transaction(transaction, is_alone=len(batch) == 1)))
            if self._writer_connection.in_transaction:
                self._directory_changes.committing()
                self._writer_connection.execute("COMMIT")
        except (sqlite3.Error, StoreError) as error:
            self._directory_changes.failed()
            if self._writer_connection.in_transaction:
                self._writer_connection.execute("ROLLBACK")
            failure = error if isinstance(error, StoreError) else translate_sqlite_error(error)
            outcomes = [(future, None, failure) for _, future, _ in batch]
            self._reopen_if_read_only(error)
        else:
            self._directory_changes.committed()
        now = self._monotonic()
        for _, _, queued_at in batch:
            self._on_write(now - queued_at)
        _deliver(outcomes)

    def _require_opened_file(self) -> None:
        """Raise `StoreError` if a file was moved, deleted or replaced: changes to the opened ones would be lost."""
        present = self._file_ids()
        if changed := [path for path, file in self._opened_files.items() if present[path] != file]:
            raise StoreError(
                f"{changed[0]} was moved, deleted or replaced while it was open: bring it back if it is missing, and"
                " restart the service"
            )

    def _reopen_if_read_only(self, error: Exception) -> None:
        """Open the file again after it could not be written: its owner may have been corrected meanwhile."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
            with suppress(StoreError):
                reopened = self._connect()
                self._writer_connection.close()
                self._writer_connection = reopened
                self._watch_directory()

    def _watch_directory(self) -> None:
        try:
            self._directory_changes.watch(self._writer_connection)
        except sqlite3.Error as error:
            raise translate_sqlite_error(error, self._path) from error

    def _file_ids(self) -> dict[str, tuple[int, int] | None]:
        """Return device and inode of the file, its write-ahead log and the index of that; None if one is missing."""
        return {path: _file_id(path) for path in (f"{self._path}", f"{self._path}-wal", f"{self._path}-shm")}

    def _run_transaction(self, change: Transaction[Any], *, is_alone: bool) -> tuple[Any, Exception | None]:
        """Return the result of a change, or the error that has rolled it back; errors of the file are raised."""
        if not is_alone:
            self._writer_connection.execute("SAVEPOINT txn")
        try:
            return change(self._writer_connection), None
        except Exception as error:  # Its caller receives it; the batch continues without it.
            if isinstance(error, sqlite3.OperationalError):
                raise
            self._writer_connection.execute("ROLLBACK" if is_alone else "ROLLBACK TO txn")
            return None, translate_sqlite_error(error) if isinstance(error, sqlite3.Error) else error
        finally:
            if self._writer_connection.in_transaction and not is_alone:
                self._writer_connection.execute("RELEASE txn")

    # -- connections -------------------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        self._create_if_missing()
        try:
            connection = sqlite3.connect(
                self._path, timeout=self._busy_timeout_ms / 1000, isolation_level=None, check_same_thread=False
            )
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._sync else 'OFF'}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")  # Deleted content is overwritten.
            connection.execute("PRAGMA recursive_triggers = ON")  # REPLACE of a row is a deletion to its triggers, too.
        except sqlite3.Error as error:
            raise translate_sqlite_error(error, self._path) from error
        return connection

    def _create_if_missing(self) -> None:
        """Create the file with its owner and mode. SQLite gives the other files of the database the same.

        An error is left to SQLite, which meets it again.
        """
        with suppress(OSError):
            if not self._path.exists():
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, FILE_MODE))
                inherit_owner(self._path)

    def _prepare_schema(self) -> None:
        """Create the tables of a new database. Raises `MigrationRequired`, and `StoreError` for a newer database."""
        try:
            version = read_schema_version(self._writer_connection)
            if version == 0:
                from sqlite_utils import Database as Tables

                apply_migrations(Tables(self._writer_connection))
                self._writer_connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                return
            verify_schema_version(self._path, version)
        except sqlite3.Error as error:
            raise translate_sqlite_error(error, self._path) from error
        except StoreError:
            self._writer_connection.close()
            raise

    def _read(self, query: Transaction[T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._thread_local, "connection", None)
        try:
            if connection is None:
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
                self._thread_local.connection = connection
                self._reader_connections.append(connection)
            return query(connection)
        except sqlite3.Error as error:
            raise translate_sqlite_error(error) from error


def _file_id(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _deliver(outcomes: Sequence[Outcome]) -> None:
    """Hand results to the event loops that wait for them, each of which is woken once."""
    for loop in {future.get_loop() for future, _, _ in outcomes}:
        with suppress(RuntimeError):  # The loop is closed, and its callers are gone.
            loop.call_soon_threadsafe(_resolve, [outcome for outcome in outcomes if outcome[0].get_loop() is loop])


def _resolve(outcomes: Sequence[Outcome]) -> None:
    for future, result, error in outcomes:
        if future.cancelled():
            continue
        if error:
            future.set_exception(error)
        else:
            future.set_result(result)
