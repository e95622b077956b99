"""Upgrade of a data folder from the layout of an earlier release."""

from __future__ import annotations

import shutil
from pathlib import Path

from ivr.errors import StoreError, describe_error

RENAMED_FOLDERS = {"attended": "locks"}
RENAMED_LOCKS = {"tending": "maintenance", "adoption": "recovery"}
OBSOLETE_CACHES = ("sentences", "sentences-agi", "forms", "mail-forms")
OLD_FALLBACK_PREFIX, FALLBACK_PREFIX = "alone-", "fallback-"


def upgrade_data_folder(folder: Path) -> None:
    """Rename folders, locks and recordings, and delete caches, which are filled again. Raises `StoreError`.

    An up-to-date folder costs a few stat() calls and one directory listing, and is not changed.
    """
    try:
        for old, new in RENAMED_FOLDERS.items():
            _rename(folder / old, folder / new)
        for old, new in RENAMED_LOCKS.items():
            _rename(folder / "locks" / old, folder / "locks" / new)
        for cache in OBSOLETE_CACHES:
            if (folder / cache).is_dir():
                shutil.rmtree(folder / cache, ignore_errors=True)
        for recording in (folder / "takes").glob(f"{OLD_FALLBACK_PREFIX}*.wav"):
            _rename(recording, recording.with_name(FALLBACK_PREFIX + recording.name.removeprefix(OLD_FALLBACK_PREFIX)))
    except OSError as error:
        raise StoreError(f"the data folder cannot be upgraded: {describe_error(error)}") from error


def _rename(old: Path, new: Path) -> None:
    if old.exists() and not new.exists():
        try:
            old.rename(new)
        except FileNotFoundError:
            return  # Another process has upgraded the folder at the same moment.
