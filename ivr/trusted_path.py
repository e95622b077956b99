"""Files by which another user could choose what root does: root neither reads nor runs them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MAX_LINKS = 40


def changeable_by_others(path: Path) -> Path | None:
    """Return the file, folder or link on the way to `path` that another user than root can change; None: there is none.

    In a folder with the sticky bit, such as /tmp, others cannot replace what belongs to root. Raises OSError.
    """
    pending = [Path(os.path.abspath(path))]
    for _ in range(MAX_LINKS):
        if not pending:
            return None
        current = pending.pop()
        for part in (current, *current.parents):
            found = part.lstat()
            is_writable = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            if stat.S_ISLNK(found.st_mode):
                target = part.parent / part.readlink() / current.relative_to(part)
                pending.append(Path(os.path.abspath(target)))
                is_writable = 0
            elif stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX and part != current:
                is_writable = 0
            if found.st_uid != 0 or is_writable:
                return part
    return path


def refusal(changeable: Path) -> str:
    """Return why root does not use it, and the command that corrects it."""
    return f"{changeable} can be changed by other users than root: chown root {changeable}; chmod go-w {changeable}"
