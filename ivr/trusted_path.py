"""Files by which another user could choose what root does: root neither reads nor runs them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
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


def refusal_of_command(words: Sequence[str], setting: str) -> str:
    """Return why this process does not run a command of a setting; "": it does.

    Root runs no program, and with it no file that is an argument, that another user can change.
    """
    program = shutil.which(words[0]) if words and os.geteuid() == 0 else None
    if program is None:
        return ""
    for path in (Path(program), *(Path(word) for word in words[1:] if word.startswith("/") and Path(word).exists())):
        if changeable := changeable_by_others(path):
            return f"root does not run {path} of {setting}: {refusal(changeable)}"
    return ""


def refusal(changeable: Path) -> str:
    """Return why root does not use it, and the command that corrects it."""
    return f"{changeable} can be changed by other users than root: chown root {changeable}; chmod go-w {changeable}"
