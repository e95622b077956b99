"""Storage interface of moving all rows from one database to another, of the other engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ivr.storage.records import RowComparison

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
