"""The schema of a database file: its version, the migration to that of this program, and the way back.

Only `DatabaseSchema.migrate` changes the schema of a database that has rows. It copies the file first, and works only
while no other process has the database open: a process of an earlier version would no longer understand its tables.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import structlog

from ivr.errors import DiskFull, MigrationRequired, NotFound, StoreBusy, StoreError, describe_error
from ivr.storage.files import fsync, inherit_owner
from ivr.storage.records import MigrationPlan
from ivr.storage.sqlite.database_file import SqliteDatabaseFile
from ivr.storage.sqlite.error_translation import translate_sqlite_error
from ivr.storage.sqlite.migrations import MIGRATIONS, SCHEMA_VERSION, apply_migrations

FILE_MODE = 0o600
SPACE_FACTOR = 2
"""Sizes of the database that must be free on the disk: one for the copy, one for what the migration writes."""

log = structlog.get_logger()


class DatabaseSchema:
    """The schema of the database `path`. `busy_timeout_ms`: milliseconds to wait until no other process uses it."""

    def __init__(self, path: Path, busy_timeout_ms: int) -> None:
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms

    def plan(self) -> MigrationPlan:
        """Return what `migrate` would do; nothing is changed. Raises `NotFound`, `StoreError`."""
        if not self._path.exists():
            raise NotFound(f"{self._path} does not exist: there is nothing to migrate")
        with self._translated_errors(), closing(self.connect()) as connection:
            version = read_schema_version(connection)
            applied = _applied_migrations(connection)
        is_in_use = SqliteDatabaseFile().is_in_use(self._path)
        size = sum(_size(self._path.with_name(self._path.name + suffix)) for suffix in ("", "-wal"))
        is_interrupted = version < len(applied)
        return MigrationPlan(
            database=self._path,
            version=version,
            program_version=SCHEMA_VERSION,
            pending=tuple(name for name in MIGRATIONS if name not in applied) if version < SCHEMA_VERSION else (),
            copy=None if is_interrupted or version >= SCHEMA_VERSION else _free_copy_name(self._path, version),
            size_bytes=size,
            free_bytes=shutil.disk_usage(self._path.parent).free,
            is_in_use=is_in_use,
            earlier_copy=_find_copy(self._path, below=version + is_interrupted),  # Its own copy is of that version.
        )

    def migrate(self) -> MigrationPlan | None:
        """Copy the database and migrate it. Return what was done; None if there was nothing to do.

        Raises `StoreBusy` while another process has the database open, `DiskFull`, and `StoreError` if a newer
        version has migrated it.
        """
        if not self._path.exists():
            return None
        with self._translated_errors(), closing(self.connect()) as connection:
            version = read_schema_version(connection)
        if version > SCHEMA_VERSION:
            raise newer_schema_error(self._path, version)
        if version in (0, SCHEMA_VERSION):
            return None
        plan = self.plan()
        if plan.free_bytes < plan.size_bytes * SPACE_FACTOR:
            raise DiskFull(
                f"the migration needs {plan.size_bytes * SPACE_FACTOR >> 20} MB on the disk of {self._path.parent},"
                f" {plan.free_bytes >> 20} MB are free: free space, then repeat it"
            )
        from sqlite_utils import Database as Tables

        with self._translated_errors(), closing(self.connect(exclusive=True)) as connection:
            if plan.copy:
                self._copy_to(connection, plan.copy)
            apply_migrations(Tables(connection))
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        log.info("database.migrated", schema=SCHEMA_VERSION, earlier=plan.version, copy=str(plan.copy))
        return plan

    def move_to(self, path: Path, *, before: Callable[[], None]) -> None:
        """Move the database, and its copies of earlier schemas, to another folder of the same disk.

        `before` is called when no other process has the database open. Raises `StoreBusy` if another one has,
        `StoreError`.
        """
        with self._translated_errors(), closing(self.connect(exclusive=True)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")  # All of it is in the one file then.
            before()
            for copy in sorted(self._path.parent.glob(f"{self._path.name}.schema-*")):
                copy.rename(path.parent / copy.name)
            self._path.chmod(FILE_MODE)
            self._path.rename(path)
            fsync(path.parent)
            fsync(self._path.parent)

    def go_back(self) -> tuple[Path, Path]:
        """Put the newest copy of an earlier schema in the place of the database.

        Returns the copy, which stays, and where the newer database is now. Raises `NotFound` without such a copy,
        `StoreBusy` while another process has the database open.
        """
        plan = self.plan()
        if plan.earlier_copy is None:
            raise NotFound(f"{self._path.parent} contains no copy of an earlier schema: restore a backup")
        newer = _free_copy_name(self._path, plan.version)
        draft = _draft_of(self._path)
        with self._translated_errors(), closing(self.connect(exclusive=True)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")  # All of it is in the one file then.
            shutil.copyfile(plan.earlier_copy, draft)
            finish_file(draft)
            # Each step leaves a database at its path; the links are the same file until the last step replaces one.
            os.link(self._path, newer)
            draft.rename(self._path)
        fsync(self._path.parent)
        return plan.earlier_copy, newer

    @staticmethod
    def version_of_copy(copy: Path) -> int:
        """Return the schema version in the name of a copy."""
        return int(copy.name.rpartition("-")[2].partition(".")[0])

    def connect(self, *, exclusive: bool = False) -> sqlite3.Connection:
        """Connect; with `exclusive`, only if no other process has the database open, and keep all others out."""
        timeout_s = self._busy_timeout_ms / 1000
        connection = sqlite3.connect(self._path, timeout=timeout_s, isolation_level=None)
        connection.row_factory = sqlite3.Row
        if exclusive:
            try:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("BEGIN EXCLUSIVE")
                connection.execute("COMMIT")
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA secure_delete = ON")
            except sqlite3.OperationalError as error:
                connection.close()
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                raise StoreBusy(
                    f"{self._path} is in use by another process: stop the service (systemctl stop ivr.socket ivr)"
                    " and every other program of ivr, then repeat this"
                ) from error
        return connection

    def _copy_to(self, connection: sqlite3.Connection, target: Path) -> None:
        draft = _draft_of(target)
        draft.unlink(missing_ok=True)
        with closing(sqlite3.connect(draft)) as copy:
            connection.backup(copy)
        finish_file(draft)
        draft.rename(target)
        fsync(target.parent)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, OSError):
                raise StoreError(f"the database cannot be copied ({self._path}): {describe_error(error)}") from error
            raise translate_sqlite_error(error, self._path) from error


def read_schema_version(connection: sqlite3.Connection) -> int:
    """Return the schema version of an open database; 0: it is empty."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def verify_schema_version(path: Path, version: int) -> None:
    """Raise `MigrationRequired` for an earlier version than that of this program, `StoreError` for a newer one."""
    if version > SCHEMA_VERSION:
        raise newer_schema_error(path, version)
    if version < SCHEMA_VERSION:
        raise MigrationRequired(
            f"{path} was written by an earlier version of ivr (schema {version}, this version needs {SCHEMA_VERSION}):"
            " stop the service and run 'ivr migrate', or restart the service, which migrates when it starts"
        )


def newer_schema_error(path: Path, version: int) -> StoreError:
    """Return the error for a database that a newer version has migrated, with the way back."""
    copy = _find_copy(path, below=version)
    way_back = (
        f"or stop the service and run 'ivr migrate --back', which restores the copy {copy} made before the upgrade"
        if copy
        else "or restore the backup made before the upgrade"
    )
    return StoreError(
        f"{path} was written by a newer version of ivr (schema {version}, this version knows {SCHEMA_VERSION}):"
        f" install the newer version again, {way_back} (docs/upgrading.md)"
    )


def _applied_migrations(connection: sqlite3.Connection) -> set[str]:
    try:
        return {row[0] for row in connection.execute("SELECT name FROM _sqlite_migrations")}
    except sqlite3.OperationalError:  # The table does not exist: a database without content.
        return set()


def _free_copy_name(path: Path, version: int) -> Path:
    """Return `ivr.db.schema-8`; if that exists from an earlier upgrade, `ivr.db.schema-8.2` and so on."""
    first = path.with_name(f"{path.name}.schema-{version}")
    number, free = 1, first
    while free.exists():
        number += 1
        free = first.with_name(f"{first.name}.{number}")
    return free


def _find_copy(path: Path, *, below: int) -> Path | None:
    """Return the newest copy of the highest schema that is below `below` and that this program knows."""
    found: list[tuple[tuple[int, int], Path]] = []
    for copy in path.parent.glob(f"{path.name}.schema-*"):
        version, _, number = copy.name.rpartition("-")[2].partition(".")
        if version.isdecimal() and (number or "1").isdecimal() and int(version) < below:
            found.append(((int(version), int(number or "1")), copy))
    known = [one for one in found if one[0][0] <= SCHEMA_VERSION]
    return max(known)[1] if known else None


def _draft_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.draft")


def finish_file(path: Path) -> None:
    """Give a copy its mode and owner, and sync it."""
    path.chmod(FILE_MODE)
    inherit_owner(path)
    fsync(path)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
