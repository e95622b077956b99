"""Moves all rows from one database to another, of the other engine, and compares them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from ivr.errors import BadInput, StoreError
from ivr.storage.data_folder import database_path, verify_layout
from ivr.storage.database import parse_database_url
from ivr.storage.protocols.database import OnProgress
from ivr.storage.records import RowComparison, TableComparison

Value = str | int | None
Row = tuple[Value, ...]
DIGEST_BITS = 128
PROGRESS_ROWS = 1000
"""Rows between two reports of progress."""
NUL_REPLACEMENT = "\ufffd"
"""PostgreSQL cannot store the character NUL."""

WRONG_COUNTERS = (
    "SELECT count(*) FROM (SELECT box_id FROM (SELECT box_id, folder, urgent, messages, bytes FROM folder_counters"
    " UNION ALL SELECT box_id, folder, urgent, -1, -bytes FROM messages WHERE bytes > 0 AND deleted_at IS NULL"
    " AND expired_at IS NULL) AS counted GROUP BY box_id, folder, urgent"
    " HAVING sum(messages) <> 0 OR sum(bytes) <> 0) AS wrong"
)


class Rows(Protocol):
    """The rows of a database in one transaction."""

    def tables(self) -> Mapping[str, Sequence[str]]:
        """Return the columns of each table with rows of ours; a table follows those that it refers to."""

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""

    def read(self, table: str, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the rows of a table in the order in which they were added."""

    def wrong_counters(self) -> int:
        """Return how many counters of folders are not what the rows of their messages say."""


class NewRows(Rows, Protocol):
    """The rows of an empty database."""

    def write(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Add rows. No trigger runs."""


class RowDatabase(Protocol):
    """A database that rows are moved from or to. All methods raise `StoreError`."""

    name: str
    """As messages name it."""

    def exists(self) -> bool:
        """Return whether it has tables of ours; without them it has no table at all. Raises `BadInput`."""

    def open_snapshot(self) -> AbstractContextManager[Rows]:
        """Read the state of one moment, while services run."""

    def open_alone(self) -> AbstractContextManager[Rows]:
        """Read while no service runs, and keep all from the database. Raises `StoreBusy`."""

    def create(self) -> AbstractContextManager[NewRows]:
        """Create what is missing, and add rows in one transaction: committed at the end, undone by an exception."""


class RowTransfer:
    """The `RowMove` from `source` to `target`."""

    def __init__(self, source: RowDatabase, target: RowDatabase) -> None:
        self._source = source
        self._target = target

    def is_done(self) -> bool:
        if not self._source.exists():
            raise StoreError(f"{self._source.name} contains no database of ivr: there is nothing to move")
        filled: list[str] = []
        if self._target.exists():
            with self._target.open_snapshot() as rows:
                filled = [table for table in rows.tables() if rows.count(table)]
        if not filled:
            with self._source.open_alone():
                return False
        if not self.compare(lambda done, total: None).is_equal:
            raise BadInput(
                f"{self._target.name} is not empty ({', '.join(filled[:3])}), and its rows are not those of"
                f" {self._source.name}: name an empty database, or put this one aside first (docs/scale.md)"
            )
        return True

    def run(self, on_progress: OnProgress) -> RowComparison:
        with self._source.open_alone() as source, self._target.create() as target:
            tables = source.tables()
            total = sum(source.count(table) for table in tables)
            progress = _Progress(on_progress, 2 * total)
            compared = []
            for table, columns in tables.items():
                digest = _Digest(progress)
                target.write(table, columns, digest.of(source.read(table, columns)))
                compared.append(_compare(table, digest, _digest_of(target.read(table, columns), progress)))
            comparison = self._conclude(compared, source, target)
            if different := [table.table for table in comparison.tables if not table.is_equal]:
                raise StoreError(
                    f"rows were not stored as they were read ({', '.join(different)}): {self._target.name} is as it"
                    " was before"
                )
        return comparison

    def compare(self, on_progress: OnProgress) -> RowComparison:
        for database in (self._source, self._target):
            if not database.exists():
                raise StoreError(f"{database.name} contains no database of ivr: there is nothing to compare")
        with self._source.open_snapshot() as source, self._target.open_snapshot() as target:
            tables = source.tables()
            progress = _Progress(on_progress, sum(rows.count(table) for rows in (source, target) for table in tables))
            compared = [
                _compare(
                    table,
                    _digest_of(source.read(table, columns), progress),
                    _digest_of(target.read(table, columns), progress),
                )
                for table, columns in tables.items()
            ]
            return self._conclude(compared, source, target)

    def _conclude(self, compared: Sequence[TableComparison], source: Rows, target: Rows) -> RowComparison:
        wrong = [
            f"{count} counters of {database.name} are not what its rows say"
            for database, rows in ((self._source, source), (self._target, target))
            if (count := rows.wrong_counters())
        ]
        return RowComparison(self._source.name, self._target.name, tuple(compared), tuple(wrong))


class _Progress:
    def __init__(self, on_progress: OnProgress, total: int) -> None:
        self._on_progress = on_progress
        self._done = 0
        self._total = total

    def add_row(self) -> None:
        self._done += 1
        if self._done % PROGRESS_ROWS == 0 or self._done == self._total:
            self._on_progress(self._done, self._total)


class _Digest:
    """Of the rows of a table, whatever their order is: the sum of the digests of all rows."""

    def __init__(self, progress: _Progress) -> None:
        self._progress = progress
        self.rows = 0
        self.sum = 0

    def of(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows, and add them."""
        for row in rows:
            hashed = blake2b(repr(row).encode("utf-8", "backslashreplace"), digest_size=DIGEST_BITS // 8)
            self.sum = (self.sum + int.from_bytes(hashed.digest(), "big")) % 2**DIGEST_BITS
            self.rows += 1
            self._progress.add_row()
            yield row


def _digest_of(rows: Iterable[Row], progress: _Progress) -> _Digest:
    digest = _Digest(progress)
    for _ in digest.of(rows):
        pass
    return digest


def _compare(table: str, source: _Digest, target: _Digest) -> TableComparison:
    is_equal = (source.rows, source.sum) == (target.rows, target.sum)
    return TableComparison(table, source.rows, target.rows, is_equal)


def in_order_of_keys(tables: Iterable[str], refers_to: Callable[[str], Iterable[str]]) -> list[str]:
    """Return the tables so that each follows those that it refers to by foreign keys."""
    ordered: list[str] = []

    def add(table: str) -> None:
        if table not in ordered:
            for other in refers_to(table):
                if other != table:
                    add(other)
            ordered.append(table)

    for table in sorted(tables):
        add(table)
    return ordered


def create_row_move(source: str | Path, target: str | Path, busy_timeout_ms: int) -> RowTransfer:
    """Return the move between two databases: an address of PostgreSQL, or a data folder. Raises `SettingsError`."""

    def open_database(address: str | Path, name: str) -> RowDatabase:
        if isinstance(address, Path):
            from ivr.storage.sqlite.rows import SqliteRowDatabase

            verify_layout(address)
            return SqliteRowDatabase(database_path(address), busy_timeout_ms)
        url = parse_database_url(address, name)
        from ivr.storage.postgresql.rows import PostgresqlRowDatabase

        return PostgresqlRowDatabase(url)

    return RowTransfer(open_database(source, "database.url"), open_database(target, "--to"))
