"""What belongs to a backup: the data folder without caches, and the configuration of the service and of Asterisk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ivr.backup.copying import is_own_file
from ivr.backup.manifest import CONFIG_PREFIX, DATA_PREFIX
from ivr.errors import StoreError
from ivr.storage.data_folder import DATABASE_NAME, STATE_FOLDER, database_path, state_folder

CONFIG_FOLDERS = (Path("/etc/ivr"), Path("/etc/asterisk/ivr"), Path("/etc/systemd/system/ivr.service.d"))
SKIPPED_FOLDERS = ("locks", "incoming", "renditions", "mail-renditions", "prompt-cache", "prompt-cache-agi")
"""Locks, unfinished uploads, and caches that are filled again."""
SKIPPED_PREFIXES = (DATABASE_NAME, ".", "before-restore-")
"""The database is copied by itself. An earlier restore leaves `before-restore-*`."""


@dataclass(frozen=True, slots=True)
class SelectedFile:
    """A file to back up. `name`: its name in the backup."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class BackupSelection:
    """The files of one installation. `root`: of its machine; `config_file`: the settings that are in use, if any."""

    data_folder: Path
    root: Path = Path("/")
    config_file: Path | None = None
    pepper_file: Path | None = None
    """A pepper that was put elsewhere than beside the database on purpose: the backup does not contain it."""

    @property
    def database(self) -> Path:
        return database_path(self.data_folder)

    def config_files(self) -> Iterator[SelectedFile]:
        """Yield the files of the configuration. Raises `StoreError`."""
        folders = [self.root / folder.relative_to("/") for folder in CONFIG_FOLDERS]
        for folder in folders:
            for path in filter(self._is_wanted, _regular_files(folder)):
                yield SelectedFile(f"{CONFIG_PREFIX}{path.relative_to(self.root)}", path)
        if self.config_file and self.config_file.parent not in folders:
            yield SelectedFile(f"{CONFIG_PREFIX}{self.config_file.absolute().relative_to('/')}", self.config_file)

    def data_files(self) -> Iterator[SelectedFile]:
        """Yield the files of the data folder but the database. Raises `StoreError`.

        A backup has the files of `state/` by the names that they had before there was such a folder.
        """
        for top in (self.data_folder, state_folder(self.data_folder)):
            for path in filter(self._is_wanted, _regular_files(top, skip_at_top=True)):
                yield SelectedFile(f"{DATA_PREFIX}{path.relative_to(top)}", path)

    def _is_wanted(self, path: Path) -> bool:
        pepper = self.pepper_file
        if pepper is None or path.parent != pepper.parent:
            return True
        return path.name != pepper.name and not path.name.startswith(f"{pepper.name}.")

    def links(self) -> list[Path]:
        """Return the symbolic links of the data folder. They are not followed: root would read any file of others."""
        return sorted(
            Path(folder) / name
            for folder, folders, files in os.walk(self.data_folder)
            for name in (*folders, *files)
            if (Path(folder) / name).is_symlink()
        )


def _regular_files(top: Path, *, skip_at_top: bool = False) -> Iterator[Path]:
    for folder, folders, files in os.walk(top, onerror=_raise_unless_gone):
        if skip_at_top and Path(folder) == top:
            folders[:] = [
                name for name in folders if name not in (*SKIPPED_FOLDERS, STATE_FOLDER) and not _is_skipped(name)
            ]
            files = [name for name in files if not _is_skipped(name)]
        folders.sort()
        for name in sorted(files):
            path = Path(folder) / name
            if name.startswith(".") and skip_at_top:
                continue  # A draft: it is renamed when it is complete.
            try:
                if is_own_file(path, path.lstat()):
                    yield path
            except FileNotFoundError:
                continue  # It was removed meanwhile.


def _is_skipped(name: str) -> bool:
    return name.startswith(SKIPPED_PREFIXES)


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise StoreError(f"{error.filename} cannot be read: {error.strerror}; run the backup as root")
