"""Errors of PostgreSQL as errors of this project: what is wrong, in the words of the server, and what to do."""

from __future__ import annotations

import re
import sqlite3

import psycopg
from psycopg import errors

from ivr.errors import StoreBusy, StoreError

TRANSIENT = (errors.SerializationFailure, errors.DeadlockDetected)
"""The transaction was rolled back, and may succeed when it is repeated."""
_PRIMARY = "name the primary, or all servers with target_session_attrs=read-write"
_PERMISSION = "make its user the owner of the database: ALTER DATABASE name OWNER TO user"
_LOCK = "find it, and end it: SELECT pid, pg_blocking_pids(pid), query FROM pg_stat_activity WHERE state <> 'idle'"
_BY_CLASS: tuple[tuple[type[psycopg.Error], str, str], ...] = (
    (errors.InsufficientPrivilege, "PostgreSQL refuses a statement", _PERMISSION),
    (errors.ReadOnlySqlTransaction, "PostgreSQL is a read-only standby", _PRIMARY),
    (errors.DiskFull, "the disk of PostgreSQL is full", "free space there"),
)
"""A full disk of PostgreSQL is no `DiskFull`: the data folder has room, and the dialplan can record a message there."""
_BY_TEXT = tuple(
    (re.compile(pattern), what, remedy)
    for pattern, what, remedy in (
        (
            "password authentication failed|no password supplied",
            "PostgreSQL refuses the password",
            "correct user and password",
        ),
        (
            r"no pg_hba.conf entry|authentication failed|role .* (does not exist|is not permitted)",
            "PostgreSQL refuses the user",
            "create the user, and let it in by pg_hba.conf",
        ),
        (r"permission denied for database", "PostgreSQL refuses the user", _PERMISSION),
        (r"database .* does not exist", "PostgreSQL has no such database", "create it: createdb --owner=user name"),
        (r"read-only|not read-write|server is in hot standby|during recovery", "no server accepts changes", _PRIMARY),
        (
            r"too many (clients|connections)|remaining connection slots",
            "PostgreSQL has no free connection",
            "raise max_connections there, or lower database.connections",
        ),
    )
)
"""Errors of connecting have no code: the server has not answered a statement yet."""


def translate_postgresql_error(error: Exception, where: str = "", source: str = "database.url") -> StoreError:
    """Translate an error to a `StoreError` that says what to do. `where`: the address, `source`: where that is set."""
    if isinstance(error, sqlite3.Error) and isinstance(error.__cause__, psycopg.Error):
        error = error.__cause__
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    text = re.sub(r"^.*(FATAL|ERROR):\s+", "", text)
    details = "; ".join(filter(None, (where, text)))
    if isinstance(error, errors.LockNotAvailable):
        return StoreBusy(f"another transaction holds a lock in PostgreSQL for too long ({details}): {_LOCK}")
    for kind, what, remedy in _BY_CLASS:
        if isinstance(error, kind):
            return StoreError(f"{what} ({details}): {remedy}")
    if isinstance(error, psycopg.OperationalError) or "during recovery" in text:
        for pattern, what, remedy in _BY_TEXT:
            if pattern.search(str(error)):
                return StoreError(f"{what} ({details}): {remedy}")
        return StoreError(f"PostgreSQL does not answer ({details}): start it, or correct {source}")
    return StoreError(f"the database failed ({details})")


def is_lost(error: Exception, connection: psycopg.Connection[object]) -> bool:
    """Return whether an error has ended the connection."""
    return connection.closed or connection.broken or isinstance(error, errors.AdminShutdown | errors.CrashShutdown)


def may_be_committed(error: Exception, connection: psycopg.Connection[object]) -> bool:
    """Return whether a transaction whose COMMIT was sent may have happened in spite of this error.

    It has not if the server has refused one of its statements, and still answers. Other errors are those of libpq,
    which may notice later that the connection is lost.
    """
    cause = error.__cause__ if isinstance(error, sqlite3.Error) else error
    is_refused = isinstance(cause, psycopg.Error) and cause.sqlstate is not None
    return is_lost(error, connection) or not is_refused


def is_outdated_plan(error: Exception) -> bool:
    """Return whether a newer service has added a column to what a prepared statement returns."""
    return isinstance(error, errors.FeatureNotSupported) and "cached plan" in str(error)
