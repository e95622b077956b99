"""Storage interface of a database as a whole: copied while it is in use, migrated, moved to another engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ivr.storage.records import AuditEntry, DatabaseContent, MigrationPlan, RowComparison


class DatabaseFileStore(Protocol):
    """Databases as files. The methods block, and raise `StoreError`, `DiskFull` or `StoreBusy`."""

    def copy(self, database: Path, target: Path) -> None:
        """Copy a database that may be in use to the file `target`, in the state of one moment."""

    def has_accounts(self, database: Path) -> bool:
        """Return whether a database has ever had an account. One that cannot be read has: opening it says why."""

    def is_in_use(self, database: Path) -> bool:
        """Return whether another process has the database open."""

    def read_content(self, copy: Path) -> DatabaseContent:
        """Return the schema, the damage and the audio files of a copy that no process has open."""

    def relocate_takes(self, copy: Path, data_folder: Path) -> None:
        """Write to the rows of takes that the data folder is `data_folder` now."""

    def stop_nodes(self, copy: Path) -> None:
        """Write to the copy that none of its nodes runs, and end their leases: it was made while they ran."""

    def record_for_all_accounts(self, database: Path, entry: AuditEntry) -> None:
        """Add an entry to the audit log, with each of the accounts in the place of its own, if there is such a log."""


class DatabaseMigration(Protocol):
    """The migration of the database of an installation, and the way back."""

    @property
    def database(self) -> Path:
        """Path of the database."""

    def plan(self) -> MigrationPlan:
        """Return what `run` would do; nothing is changed. Raises `NotFound`, `StoreError`."""

    def run(self) -> MigrationPlan | None:
        """Migrate the database. Return what was done; None: there was nothing to do. Raises `StoreError`."""

    def move_files(self) -> bool:
        """Move the files of an earlier layout; no schema is changed. Return whether the database was moved."""

    def go_back(self) -> tuple[Path, Path]:
        """Put a copy of an earlier schema in the place of the database. Return it, and where the newer one is now."""


OnProgress = Callable[[int, int], None]
"""Called with the number of rows that are done, and of all."""


class RowMove(Protocol):
    """All rows of an installation, and the database that they are moved to. The methods block.

    They raise `StoreError`, among them `StoreBusy` while a service uses a database that must stand still.
    """

    def is_done(self) -> bool:
        """Return whether the rows have been moved already. Raises `BadInput` if the target has other rows.

        If not, it raises what would keep `run` from its beginning.
        """

    def run(self, on_progress: OnProgress) -> RowComparison:
        """Copy all rows in one transaction, compare them, and commit if they are equal. The source is not changed."""

    def compare(self, on_progress: OnProgress) -> RowComparison:
        """Compare all rows; nothing is changed. Services may run."""
