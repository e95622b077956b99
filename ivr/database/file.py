"""The database file: one writer thread that commits together all that waits, a few readers, and no SQL of its own.

The loop's thread never touches SQLite: `write` and `read` give the work to another thread and await it. An answer to
`write` means that the change is synced to the disk.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from ivr.errors import StoreBusy, StoreError, StoreFull

T = TypeVar("T")
Verb = Callable[[sqlite3.Connection], T]

BATCH = 200
"""Changes committed together at most."""
SCHEMA = 8
"""How many migrations there are. A file that has had them all says so itself (PRAGMA user_version): whoever opens it
then, as every call over classic AGI does, need not load what migrates."""


class Database:
    """`busy_ms`: how long to wait for another process that holds the file before giving up."""

    def __init__(self, path: Path, *, busy_ms: int = 5000, readers: int = 3, sync: bool = True) -> None:
        self._path = path
        self._busy_ms = busy_ms
        self._sync = sync
        self._waiting: queue.SimpleQueue[tuple[Verb[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._local = threading.local()
        self._open_readers: list[sqlite3.Connection] = []
        self._writing = self._connect()
        self._migrate()
        self._readers = ThreadPoolExecutor(readers, "reader")
        self._writer = threading.Thread(target=self._write_all, name="writer", daemon=True)
        self._writer.start()

    async def write(self, verb: Verb[T]) -> T:
        """Run `verb(connection)` within one transaction, all or nothing; what it raises is raised here.

        Raises `StoreBusy`, `StoreFull` or `StoreError` where the file could not be written: nothing happened then.
        """
        done: Future[T] = Future()
        self._waiting.put((verb, done))
        return await asyncio.wrap_future(done)

    async def read(self, question: Verb[T]) -> T:
        """Run `question(connection)` on a read-only connection."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._ask, question)

    def footprint(self) -> tuple[int, int]:
        """What every commit changes, of whichever process: a look at it costs microseconds, and touches no SQLite.

        Its time goes by the kernel's tick: of two commits within 4 ms the second may leave it as it was.
        """
        try:
            log = os.stat(f"{self._path}-wal")
        except OSError:
            return (0, 0)
        return (log.st_mtime_ns, log.st_size)

    def close(self) -> None:
        """Finish what waits, then let go of the file."""
        self._waiting.put(None)
        self._writer.join()
        self._readers.shutdown()
        for connection in [*self._open_readers, self._writing]:
            connection.close()

    # -- the writer's thread -----------------------------------------------------------------------------------

    def _write_all(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            while len(batch) < BATCH and not self._waiting.empty():
                if (more := self._waiting.get()) is None:
                    self._waiting.put(None)
                    break
                batch.append(more)
            self._commit(batch)

    def _commit(self, batch: list[tuple[Verb[Any], Future[Any]]]) -> None:
        # Whoever has stopped waiting by now wanted it undone; from here on it is done all the same.
        batch = [(verb, done) for verb, done in batch if done.set_running_or_notify_cancel()]
        answers: list[Callable[[], None]] = []
        try:
            self._writing.execute("BEGIN IMMEDIATE")
            for verb, done in batch:
                answers.append(self._attempt(verb, done))
            self._writing.execute("COMMIT")
        except sqlite3.Error as error:
            if self._writing.in_transaction:
                self._writing.execute("ROLLBACK")
            for _, done in batch:
                done.set_exception(_explained(error))
            return
        for answer in answers:
            answer()

    def _attempt(self, verb: Verb[Any], done: Future[Any]) -> Callable[[], None]:
        self._writing.execute("SAVEPOINT verb")
        try:
            result = verb(self._writing)
        except Exception as error:  # Whatever a verb raises is its caller's to know; the batch goes on without it.
            if isinstance(error, sqlite3.OperationalError):
                raise
            self._writing.execute("ROLLBACK TO verb")
            failure = _explained(error) if isinstance(error, sqlite3.Error) else error
            return lambda: done.set_exception(failure)
        finally:
            if self._writing.in_transaction:
                self._writing.execute("RELEASE verb")
        return lambda: done.set_result(result)

    # -- connections -------------------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._path, timeout=self._busy_ms / 1000, isolation_level=None, check_same_thread=False
            )
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._sync else 'OFF'}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")  # What is deleted is overwritten, not only forgotten.
        except sqlite3.Error as error:
            raise _explained(error, self._path) from error
        return connection

    def _migrate(self) -> None:
        try:
            if self._writing.execute("PRAGMA user_version").fetchone()[0] >= SCHEMA:
                return
            from sqlite_utils import Database as Tables

            from ivr.database.rest import migrations

            tables = Tables(self._writing)
            if migrations.pending(tables):
                migrations.apply(tables)
            self._writing.execute(f"PRAGMA user_version = {SCHEMA}")
        except sqlite3.Error as error:
            raise _explained(error, self._path) from error

    def _ask(self, question: Verb[T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
                self._local.connection = connection
                self._open_readers.append(connection)
            return question(connection)
        except sqlite3.Error as error:
            raise _explained(error) from error


def _explained(error: Exception, path: Path | None = None) -> StoreError:
    where = f" ({path})" if path else ""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(f"the database is held by another process{where}: find out which one writes for so long")
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"the disk is full{where}: make room for the data folder")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return StoreError(f"the database cannot be opened or written{where}: does its folder belong to this user?")
    return StoreError(f"the database failed{where}: {error}")
