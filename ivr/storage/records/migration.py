"""Record of a migration of the database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """What a migration of the database does, or has done."""

    database: Path | str
    """The file, or the address of a database in PostgreSQL."""
    version: int
    """Schema version of the database; 0: it is empty."""
    program_version: int
    """Schema version of this program."""
    pending: tuple[str, ...]
    """Names of the migrations to apply, in their order."""
    copy: Path | None
    """File that the database is copied to first. None: nothing is migrated, or an interrupted migration continues."""
    size_bytes: int
    """Size of the database, and so of its copy."""
    free_bytes: int
    """Free space on the disk of the database."""
    is_in_use: bool
    """Another process has the database open, so that it cannot be migrated."""
    earlier_copy: Path | None
    """The newest copy of an earlier schema, which the way back restores."""
