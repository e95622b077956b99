"""Records of a database as a whole: its content, its migration, and how it differs from another."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DatabaseContent:
    """The content of a database file."""

    schema_version: int
    is_newer: bool = False
    """Whether a newer version of this program has written it: then only `schema_version` is known."""
    damage: tuple[str, ...] = ()
    """What SQLite's integrity check reports; empty: nothing."""
    message_count: int = 0
    audio: dict[str, str] = field(default_factory=dict)
    """The file of each recording that a row refers to, below the data folder: what it belongs to, for people."""


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


@dataclass(frozen=True, slots=True)
class TableComparison:
    """One table in both databases."""

    table: str
    source_rows: int
    target_rows: int
    is_equal: bool
    """Whether both have the same rows, compared by a digest of each."""


@dataclass(frozen=True, slots=True)
class RowComparison:
    """All tables, and the counters that do not say what the rows are; each is a sentence."""

    source: str
    target: str
    tables: tuple[TableComparison, ...]
    wrong_counters: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        return not self.wrong_counters and all(table.is_equal for table in self.tables)

    @property
    def row_count(self) -> int:
        """Number of rows of the source."""
        return sum(table.source_rows for table in self.tables)


@dataclass(frozen=True, slots=True)
class AudioComparison:
    """The recordings in two stores."""

    source: str
    target: str
    recordings: int
    """Number of those in the source."""
    different: tuple[str, ...]
    """Keys of those that the target does not have, or with other content."""
    only_there: int
    """Those that the target has and the source does not: their messages were deleted since they were copied."""

    @property
    def is_equal(self) -> bool:
        return not self.different
