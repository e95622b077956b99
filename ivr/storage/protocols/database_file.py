"""Storage interface of a database as a file: copying it while it is in use, and what a copy contains."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ivr.storage.records import AuditEntry, DatabaseContent


class DatabaseFileStore(Protocol):
    """Databases as files. The methods block, and raise `StoreError`, `DiskFull` or `StoreBusy`."""

    def copy(self, database: Path, target: Path) -> None:
        """Copy a database that may be in use to the file `target`, in the state of one moment."""

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
