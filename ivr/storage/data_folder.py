"""The layout of a data folder, and the upgrade from that of an earlier release.

Asterisk is in the group of the data folder, for recordings and prompts. What the service alone needs is in `state/`,
which only its user can enter: database, pepper, secrets, locks, uploads and renditions.
"""

from __future__ import annotations

import os
import shutil
from fnmatch import fnmatch
from pathlib import Path

from ivr.errors import MigrationRequired, StoreError, describe_error
from ivr.storage.files import fsync, inherit_owner, set_mode

STATE_FOLDER = "state"
STATE_MODE = 0o700
PRIVATE_FILE_MODE = 0o600
DATABASE_NAME = "ivr.db"
SECRET_PATTERNS = ("pepper", "pepper.*", "asterisk-secret", "asterisk-secret.*", "ami-secret")
PRIVATE_PATTERNS = (DATABASE_NAME, f"{DATABASE_NAME}-*", f"{DATABASE_NAME}.*", *SECRET_PATTERNS)
MOVED_FOLDERS = ("incoming",)
OBSOLETE_LOCKS = ("attended", "locks")
"""Of processes that have ended."""
OBSOLETE_CACHES = ("sentences", "sentences-agi", "forms", "mail-forms", "renditions", "mail-renditions")
OLD_FALLBACK_PREFIX, FALLBACK_PREFIX = "alone-", "fallback-"


def state_folder(folder: Path) -> Path:
    """Return the folder of a data folder that only the user of the service can enter."""
    return folder / STATE_FOLDER


def database_path(folder: Path) -> Path:
    """Return the path of the database of a data folder."""
    return folder / STATE_FOLDER / DATABASE_NAME


def is_private_name(name: str) -> bool:
    """Return whether a file of this name belongs in `state/`."""
    return any(fnmatch(name, pattern) for pattern in PRIVATE_PATTERNS)


def is_present(path: Path) -> bool:
    """Return whether something is at a path. Raises OSError where this user cannot see that.

    `Path.exists` and `Path.is_file` of Python 3.14 say no there.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def prepare_state_folder(folder: Path) -> Path:
    """Create `state/`, or correct its mode, and return it. Raises OSError."""
    state = state_folder(folder)
    if not state.exists():
        state.mkdir(mode=STATE_MODE, exist_ok=True)
        inherit_owner(state)
    set_mode(state, STATE_MODE)
    return state


def earlier_database(folder: Path) -> Path | None:
    """Return the database of an earlier layout, in which it was in the data folder itself; None: there is none."""
    path = folder / DATABASE_NAME
    return path if is_present(path) and not is_present(database_path(folder)) else None


def private_files_outside(folder: Path) -> list[Path]:
    """Return the files of a data folder that belong in `state/` and are elsewhere. Raises OSError."""
    if not folder.is_dir():
        return []
    return [folder / name for name in sorted(os.listdir(folder)) if is_private_name(name)]


def verify_layout(folder: Path) -> None:
    """Raise `MigrationRequired` for a data folder of an earlier layout."""
    if path := earlier_database(folder):
        raise MigrationRequired(
            f"{path} was written by an earlier version of ivr, this version has it in {state_folder(folder)}: stop"
            " the service and run 'ivr migrate', or restart the service, which migrates when it starts"
        )


def upgrade_data_folder(folder: Path) -> None:
    """Move secrets and uploads to `state/`, rename recordings and delete caches. Raises `StoreError`.

    The database is moved by `DatabaseSchema.move_to`. An up-to-date folder costs a few stat() calls and two directory
    listings, and is not changed.
    """
    try:
        is_earlier = earlier_database(folder) is not None
        secrets = [path for path in private_files_outside(folder) if not path.name.startswith(DATABASE_NAME)]
        for old in [*secrets, *(folder / name for name in MOVED_FOLDERS)]:
            new = state_folder(folder) / old.name
            # The service of the earlier layout used the old file until now.
            if old.exists() and (not new.exists() or (is_earlier and old.is_file())):
                _move(old, prepare_state_folder(folder) / old.name)
        for name in (*OBSOLETE_LOCKS, *OBSOLETE_CACHES):
            if (folder / name).is_dir():
                shutil.rmtree(folder / name, ignore_errors=True)
        for recording in (folder / "takes").glob(f"{OLD_FALLBACK_PREFIX}*.wav"):
            _move(recording, recording.with_name(FALLBACK_PREFIX + recording.name.removeprefix(OLD_FALLBACK_PREFIX)))
    except OSError as error:
        raise StoreError(f"the data folder cannot be upgraded: {describe_error(error)}") from error


def restore_earlier_layout(folder: Path) -> None:
    """Move the files of `state/` to where an earlier version looks for them. Raises OSError."""
    state = state_folder(folder)
    names = [name for name in sorted(os.listdir(state)) if is_private_name(name)]
    for name in sorted(names, key=lambda name: name == DATABASE_NAME):  # The database last.
        os.replace(state / name, folder / name)
    fsync(folder)


def _move(old: Path, new: Path) -> None:
    if new.is_dir():
        return
    try:
        old.rename(new)
    except FileNotFoundError:
        return  # Another process has upgraded the folder at the same moment.
