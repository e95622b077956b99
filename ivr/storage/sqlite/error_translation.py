"""Errors of SQLite as errors of this project."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

from ivr.errors import DiskFull, StoreBusy, StoreError

WAL_INDEX_BYTES = 32_768
"""Size of the file beside the database that SQLite makes when it is opened (sqlite.org/walformat.html)."""


def translate_sqlite_error(error: Exception, path: Path | None = None) -> StoreError:
    """Translate an error of SQLite to a `StoreError` that says what to do."""
    where = f" ({path})" if path else ""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(f"the database is locked by another process{where}: find out which process writes for so long")
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and path and _is_full(path)):
        return DiskFull(f"the disk is full{where}: free space for the data folder")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return StoreError(f"the database cannot be opened or written{where}: does its folder belong to this user?")
    return StoreError(f"the database failed{where}: {error}")


def _is_full(path: Path) -> bool:
    """Return whether no index of the write-ahead log has room: SQLite says "disk I/O error" then."""
    with suppress(OSError):
        return shutil.disk_usage(path.parent).free < WAL_INDEX_BYTES
    return False
