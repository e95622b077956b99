"""One backup: the rows as of one moment, then every recording they refer to, while the service runs.

A recording is synced before its row is committed and removed after it, so recordings that are copied after the rows
are complete, but for those that were purged meanwhile. Then the rows are copied again.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ivr import __version__
from ivr.backup.manifest import DATA_PREFIX, DATABASE_NAME, FileEntry, Manifest
from ivr.backup.selection import BackupSelection, SelectedFile
from ivr.backup.writers import BackupWriter
from ivr.clock import Clock
from ivr.errors import BadInput, NotFound, StoreError
from ivr.storage.data_folder import database_path, is_present
from ivr.storage.protocols import DatabaseFileStore
from ivr.storage.records import DatabaseContent

MAX_ROUNDS = 5
"""How often the rows are copied if recordings are purged during the backup."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What one backup contains. `missing`: files that rows refer to and that do not exist, and what they belong to."""

    destination: str
    manifest: Manifest
    missing: Mapping[str, str]
    links: list[Path]
    """Symbolic links in the data folder, which were not followed."""


def check_destination(selection: BackupSelection, folder: Path) -> None:
    """Raise `BadInput` for a backup folder that would be part of the next backup, or is lost with the original."""
    data_folder, target = selection.data_folder.resolve(), folder.resolve()
    if target == data_folder or data_folder in target.parents:
        raise BadInput(f"{folder} is in the data folder {data_folder}: name a folder on another disk")
    if database_path(target).exists() or any((target / name).exists() for name in ("ivr.db", "pepper")):
        raise BadInput(f"{folder} is a data folder of ivr: name another folder for the backup")


def run_backup(
    selection: BackupSelection, databases: DatabaseFileStore, writer: BackupWriter, clock: Clock
) -> BackupReport:
    """Back up one installation. Raises `NotFound` without a database, `StoreError`, OSError."""
    if not is_present(selection.database):
        raise NotFound(f"{selection.data_folder} contains no database: check [data] folder in ivr.toml")
    entries: dict[str, FileEntry] = {}
    for file in selection.config_files():
        _add(writer, file, entries)
    missing: dict[str, str] = {}
    for number in range(MAX_ROUNDS):
        taken_at = int(clock.now())
        content = _add_database(selection, databases, writer, entries)
        for file in selection.data_files():
            _add(writer, file, entries)
        before, missing = (
            missing,
            {path: owner for path, owner in content.audio.items() if DATA_PREFIX + path not in entries},
        )
        if not missing or (number and missing.keys() <= before.keys()):
            break
    manifest = Manifest(
        taken_at=taken_at,
        version=__version__,
        schema_version=content.schema_version,
        data_folder=str(selection.data_folder.absolute()),
        message_count=content.message_count,
        files=entries,
    )
    return BackupReport(writer.finish(manifest), manifest, missing, selection.links())


def _add(writer: BackupWriter, file: SelectedFile, entries: dict[str, FileEntry]) -> None:
    known = entries.get(file.name)
    try:
        status = file.path.lstat()
    except FileNotFoundError:
        return
    if known and (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns):
        return
    entry = writer.add_file(file.name, file.path)
    if entry:
        entries[file.name] = entry


def _add_database(
    selection: BackupSelection, databases: DatabaseFileStore, writer: BackupWriter, entries: dict[str, FileEntry]
) -> DatabaseContent:
    with writer.scratch_folder() as folder:
        copy = folder / selection.database.name
        databases.copy(selection.database, copy)
        content = databases.read_content(copy)
        if content.damage:
            raise StoreError(
                f"{selection.database} is damaged ({content.damage[0]}): stop the service and restore the last backup"
                " with 'ivr restore'"
            )
        entry = writer.add_file(DATABASE_NAME, copy)
        assert entry is not None
        entries[DATABASE_NAME] = replace(entry, mode=stat.S_IMODE(selection.database.stat().st_mode))
        return content
