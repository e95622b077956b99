"""Whether a commit has changed the directory: accounts, users, tokens, mailboxes, which most commits leave as they are.

Each change of a message is a commit, and the next request reads the directory again unless it is known to be the same.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Callable

DIRECTORY_TABLES = ("accounts", "users", "endpoints", "tokens", "boxes", "box_numbers", "secrets")
UNREAD_COLUMNS = {"boxes": {"last_sign_in_at", "light_published_at"}}
"""Columns that each call or message light sets, and that no cached row is read for."""

_CHANGE_COUNTER = slice(8, 12)
"""The change counter within the header of the WAL index: each commit adds 1 (https://sqlite.org/walformat.html)."""


class DirectoryChanges:
    """Knows which commits of this process have left the directory as it was; any other commit may have changed it.

    `fingerprint` is for the event loop, the other methods are for the writer's thread. `change_fingerprint`: that of
    the database.
    """

    def __init__(self, change_fingerprint: Callable[[], bytes]) -> None:
        self._change_fingerprint = change_fingerprint
        self._is_changed = False
        self._before = b""
        self._unchanged_before: bytes | None = None
        """The fingerprint before a commit in progress that leaves the directory as it is; None: there is no such."""
        self._known = (b"", b"")
        """The fingerprint of the database, and the earlier one since which the directory is the same. Replaced whole,
        so that the threads need no lock: a pair that the other thread has replaced was true as well."""

    def fingerprint(self) -> bytes:
        """Return a value that changes with every commit, except those known to have left the directory as it was."""
        current = self._change_fingerprint()
        known, since = self._known
        if known != current:
            # The thread that commits may have to wait for this one, between its commit and `committed`.
            since = since if self._is_our_commit(known, current) else current
            self._known = (current, since)
        return since

    def watch(self, connection: sqlite3.Connection) -> None:
        """Note each change that the writing connection makes in the directory, by triggers that only it has."""
        connection.create_function("ivr_directory_changed", 0, self._note_change)
        for table in DIRECTORY_TABLES:
            names = [row["name"] for row in connection.execute(f"PRAGMA main.table_info({table})")]
            columns = ", ".join(f'"{name}"' for name in names if name not in UNREAD_COLUMNS.get(table, ()))
            for event in ("INSERT", "DELETE", f"UPDATE OF {columns}"):
                name = f"ivr_{table}_{event.split()[0].lower()}"
                connection.execute(
                    f"CREATE TEMP TRIGGER IF NOT EXISTS {name} AFTER {event} ON main.{table}"
                    " BEGIN SELECT ivr_directory_changed(); END"
                )

    def begin(self) -> None:
        """Called when a transaction holds the lock for writing: no other process commits until its end."""
        self._is_changed, self._before = False, self._change_fingerprint()

    def committing(self) -> None:
        """Called when the transaction has made its changes, before its commit."""
        self._unchanged_before = None if self._is_changed else self._before

    def committed(self) -> None:
        """Called when the transaction is committed."""
        known, since = self._known
        after = self._change_fingerprint()
        if self._is_our_commit(known, after):
            self._known = (after, since)
        self._unchanged_before = None

    def failed(self) -> None:
        """Called when the transaction was not committed: the next commit may be that of another process."""
        self._unchanged_before, self._known = None, (b"", b"")

    def _is_our_commit(self, known: bytes, after: bytes) -> bool:
        """Return whether a commit of ours, and nothing else, is between two fingerprints, and left the directory.

        If another process has committed since, the counter has grown by more.
        """
        return known == self._unchanged_before and _is_next(known, after)

    def _note_change(self) -> None:
        self._is_changed = True


def _is_next(before: bytes, after: bytes) -> bool:
    first, second = (int.from_bytes(header[_CHANGE_COUNTER], sys.byteorder) for header in (before, after))
    return len(before) == len(after) > _CHANGE_COUNTER.stop and second == (first + 1) % 2**32


def require_directory_tables(sql: str) -> None:
    """Raise ValueError for a query of any other table: its rows would be kept too long."""
    read = set(re.findall(r"\b(?:FROM|JOIN)\s+(\w+)", sql))
    if other := read - {*DIRECTORY_TABLES}:
        raise ValueError(f"not tables of the directory: {', '.join(sorted(other))}")
