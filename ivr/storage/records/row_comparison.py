"""Records of a comparison of two databases, or of two stores of recordings."""

from __future__ import annotations

from dataclasses import dataclass


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
