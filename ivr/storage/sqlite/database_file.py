"""A database as a file: a copy of one moment while the service writes, and what a copy contains."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ivr.storage.records import AuditEntry, DatabaseContent
from ivr.storage.sqlite.audit_rows import INSERT, to_values
from ivr.storage.sqlite.error_translation import translate_sqlite_error
from ivr.storage.sqlite.migrations import SCHEMA_VERSION, apply_migrations

COPY_MODE = 0o600
WAL_LOCK_BYTE = 128
"""Offset in the -shm file that every connection to a database in WAL mode locks (sqlite.org/walformat.html)."""
MESSAGES_SQL = "SELECT id, account_id, box_id, coalesce(audio_id, id) AS audio, intro_id FROM messages WHERE bytes > 0"
MEDIA_SQL = "SELECT id, account_id, box_id, kind FROM media"
TAKES_SQL = "SELECT path, box_id, purpose FROM takes WHERE state = 'awaiting_owner'"


class SqliteDatabaseFile:
    """The `DatabaseFileStore` of SQLite."""

    def copy(self, database: Path, target: Path) -> None:
        target.unlink(missing_ok=True)
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, COPY_MODE))
        with _translated_errors(database), closing(_connect(database)) as source, closing(_connect(target)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # All of it is in the one file then.

    def has_accounts(self, database: Path) -> bool:
        try:
            with closing(_connect(database)) as connection:
                return bool(connection.execute("SELECT 1 FROM accounts LIMIT 1").fetchone())
        except sqlite3.Error as error:
            return "no such table" not in str(error)

    def is_in_use(self, database: Path) -> bool:
        try:
            handle = os.open(f"{database}-shm", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, WAL_LOCK_BYTE)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False

    def read_content(self, copy: Path) -> DatabaseContent:
        with _translated_errors(copy):
            with closing(_connect(copy)) as connection:
                damage = tuple(_integrity_errors(connection))
                version = 0 if damage else int(connection.execute("PRAGMA user_version").fetchone()[0])
            if damage or version > SCHEMA_VERSION:
                return DatabaseContent(version, is_newer=version > SCHEMA_VERSION, damage=damage)
            with _current_schema(copy, version) as current, closing(_connect(current)) as connection:
                messages = connection.execute("SELECT count(*) FROM messages").fetchone()[0]
                return DatabaseContent(version, message_count=int(messages), audio=dict(_audio_files(connection)))

    def relocate_takes(self, copy: Path, data_folder: Path) -> None:
        with _translated_errors(copy), closing(_connect(copy)) as connection:
            for row in connection.execute("SELECT id, path FROM takes").fetchall():
                path = str(data_folder / "takes" / PurePosixPath(row["path"]).name)
                connection.execute("UPDATE takes SET path = ? WHERE id = ?", (path, row["id"]))

    def stop_nodes(self, copy: Path) -> None:
        with _translated_errors(copy), closing(_connect(copy)) as connection:
            if "nodes" in _tables(connection):  # Not in a backup of an older version.
                connection.execute("UPDATE nodes SET is_stopped = 1")
                connection.execute("DELETE FROM leases")

    def record_for_all_accounts(self, database: Path, entry: AuditEntry) -> None:
        with _translated_errors(database), closing(_connect(database)) as connection:
            if "audit" not in _tables(connection):  # Not in a database of an older version.
                return
            accounts = [row["id"] for row in connection.execute("SELECT id FROM accounts WHERE deleted_at IS NULL")]
            connection.executemany(INSERT, [to_values(replace(entry, account_id=account)) for account in accounts])


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


@contextmanager
def _current_schema(copy: Path, version: int) -> Iterator[Path]:
    """Yield a path at which the copy has the schema of this program. The copy itself is not changed."""
    if version == SCHEMA_VERSION:
        yield copy
        return
    from sqlite_utils import Database as Tables

    with tempfile.TemporaryDirectory() as folder:
        migrated = Path(folder) / copy.name
        with closing(_connect(copy)) as source, closing(_connect(migrated)) as target:
            source.backup(target)
            apply_migrations(Tables(target))
        yield migrated


def _audio_files(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    for row in connection.execute(MESSAGES_SQL):
        yield f"{row['account_id']}/vm/{row['audio']}.wav", f"message {row['id']} of box {row['box_id']}"
        if row["intro_id"]:
            yield f"{row['account_id']}/media/{row['intro_id']}.wav", f"introduction of message {row['id']}"
    for row in connection.execute(MEDIA_SQL):
        yield f"{row['account_id']}/media/{row['id']}.wav", f"{row['kind']} {row['id']} of box {row['box_id']}"
    for row in connection.execute(TAKES_SQL):
        yield f"takes/{PurePosixPath(row['path']).name}", f"{row['purpose']} of box {row['box_id']} awaiting its owner"


def _integrity_errors(connection: sqlite3.Connection) -> list[str]:
    try:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if found == ["ok"] else found


def _connect(path: Path) -> sqlite3.Connection:
    connection = (
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        if (path.exists())
        else sqlite3.connect(path, isolation_level=None)
    )
    connection.row_factory = sqlite3.Row
    return connection


@contextmanager
def _translated_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translate_sqlite_error(error, path) from error
