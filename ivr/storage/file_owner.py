"""Owners of new files: what root creates in the data folder must stay writable for the service."""

from __future__ import annotations

import os
from pathlib import Path


def inherit_owner(path: Path) -> None:
    """Give a new file or folder the owner and group of its folder if root created it. Raises OSError.

    Administrators run commands as root, and the service is another user.
    """
    if os.geteuid() != 0:
        return
    folder = path.parent.stat()
    if folder.st_uid != 0:
        os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)
