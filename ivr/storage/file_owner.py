"""Owners of new files: what root creates in the data folder must stay writable for the service."""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
