"""Files that a power failure leaves whole: synced to the disk, and replaced at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def fsync(path: Path) -> None:
    """Sync a file, or the names in a folder, to the disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_file(
    path: Path, content: bytes, *, mode: int = 0o600, set_owner: Callable[[Path], None] | None = None
) -> None:
    """Put a new file in the place of `path`, if there is one. Raises OSError; then the old file is unchanged.

    `set_owner` is called with the draft, which only the current user can read until then.
    """
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    if set_owner:
        set_owner(draft)
    draft.chmod(mode)
    fsync(draft)
    draft.rename(path)
    fsync(path.parent)
