"""Files of a data folder: synced to the disk, replaced at once, writable for the service where root creates them."""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def fsync(path: Path) -> None:
    """Sync a file, or the names in a folder, to the disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Context in which an error of the operating system names a file: that of a write to a full disk does not."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


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


def set_mode(path: Path, mode: int) -> None:
    """Set the mode of a file or folder that belongs to this user; of a link or of another user's file, nothing is set.

    Root works in folders of the service's user, who could lay a link to any file. Raises OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return
        raise
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def inherit_owner(path: Path) -> None:
    """Give a new file or folder the owner and group of its folder if root created it. Raises OSError.

    Administrators run commands as root, and the service is another user.
    """
    if os.geteuid() != 0:
        return
    folder = path.parent.stat()
    if folder.st_uid != 0:
        os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)


@contextmanager
def run_as_owner_of(folder: Path) -> Iterator[None]:
    """Run as the owner of `folder`, with the groups of that user, if this process is root.

    Root can read and write everything, so a check by root would prove nothing. Files that are created inside belong
    to the owner.
    """
    if os.geteuid() != 0 or not folder.exists():
        yield
        return
    owner, group, groups = folder.stat(), os.getegid(), os.getgroups()
    os.setgroups(_groups_of(owner.st_uid))
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _groups_of(uid: int) -> list[int]:
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return []
    return os.getgrouplist(user.pw_name, user.pw_gid)
