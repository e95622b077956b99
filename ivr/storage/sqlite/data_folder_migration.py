"""The migration of a data folder: the schema of its database, and the places of its files; and the way back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ivr.errors import StoreError, describe_error
from ivr.storage.data_folder import (
    database_path,
    earlier_database,
    prepare_state_folder,
    restore_earlier_layout,
    upgrade_data_folder,
)
from ivr.storage.records import MigrationPlan
from ivr.storage.sqlite.schema import DatabaseSchema

LAST_SCHEMA_OF_EARLIER_LAYOUT = 12
"""Versions of ivr with this schema, or an earlier one, have the database in the data folder itself."""


class DataFolderMigration:
    """Migrates one data folder. `busy_timeout_ms`: milliseconds to wait until no other process uses the database."""

    def __init__(self, folder: Path, busy_timeout_ms: int) -> None:
        self._folder = folder
        self._busy_timeout_ms = busy_timeout_ms

    def plan(self) -> MigrationPlan:
        """Return what `run` would do; nothing is changed. Raises `NotFound`, `StoreError`."""
        return self._in_state_folder(self._schema.plan())

    def run(self) -> MigrationPlan | None:
        """Migrate the database and move what an earlier version had elsewhere.

        Returns what was done to the database; None: its schema is the present one. Raises as `DatabaseSchema.migrate`.
        """
        plan = self._schema.migrate()
        self.move_files()
        return plan and self._in_state_folder(plan)

    def move_files(self) -> bool:
        """Move the files of an earlier layout; no schema is changed. Return whether the database was moved.

        Raises `StoreBusy` while another process has the database open, `StoreError`.
        """
        if not earlier_database(self._folder):
            upgrade_data_folder(self._folder)
            return False
        try:
            prepare_state_folder(self._folder)
        except OSError as error:
            raise StoreError(f"the data folder cannot be upgraded: {describe_error(error)}") from error
        self._schema.move_to(database_path(self._folder), before=lambda: upgrade_data_folder(self._folder))
        return True

    def go_back(self) -> tuple[Path, Path]:
        """Put the newest copy of an earlier schema in the place of the database, for the version that wrote it.

        Returns the copy, which stays, and where the newer database is now. Raises as `DatabaseSchema.go_back`.
        """
        copy, newer = self._schema.go_back()
        if earlier_database(self._folder) or DatabaseSchema.version_of_copy(copy) > LAST_SCHEMA_OF_EARLIER_LAYOUT:
            return copy, newer
        try:
            restore_earlier_layout(self._folder)
        except OSError as error:
            raise StoreError(f"the earlier layout cannot be restored: {describe_error(error)}") from error
        return self._folder / copy.name, self._folder / newer.name

    @property
    def database(self) -> Path:
        """Path of the database, which may still be where an earlier version has it."""
        return earlier_database(self._folder) or database_path(self._folder)

    @property
    def _schema(self) -> DatabaseSchema:
        return DatabaseSchema(self.database, self._busy_timeout_ms)

    def _in_state_folder(self, plan: MigrationPlan) -> MigrationPlan:
        path = database_path(self._folder)
        copy, earlier_copy = (found and path.with_name(found.name) for found in (plan.copy, plan.earlier_copy))
        return replace(plan, database=path, copy=copy, earlier_copy=earlier_copy)
