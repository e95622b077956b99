"""Copying one file: hashed on the way, complete or absent."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ivr.backup.manifest import FileEntry
from ivr.errors import DiskFull, StoreError

BLOCK_BYTES = 2**20
FILE_MODE = 0o600
FOLDER_MODE = 0o700
"""A backup contains recordings and hashes of PINs: only the user who took it can read it."""
TAKES = "takes"
RECORDING_NAME_PATTERN = re.compile(r"[\w.@+-]+", re.ASCII)
"""Names in the folder of takes: those of takes are ids, those of the dialplan consist of what it lets through."""


def copy_stream(source: IO[bytes], write: Callable[[bytes], object] = lambda block: None) -> tuple[int, str]:
    """Copy all of `source`. Return its size in bytes and its SHA-256."""
    digest, size = hashlib.sha256(), 0
    while block := source.read(BLOCK_BYTES):
        digest.update(block)
        write(block)
        size += len(block)
    return size, digest.hexdigest()


def copy_file(source: Path, target: Path, *, sync: bool) -> FileEntry:
    """Copy a regular file to `target`, with its time. Raises FileNotFoundError, OSError."""
    draft = target.with_name(f".{target.name}.part")
    with open_regular(source) as (file, status):
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(handle, "wb") as copy:
            size, sha256 = copy_stream(file, copy.write)
            copy.flush()
            if sync:
                os.fsync(handle)
    os.utime(draft, ns=(status.st_mtime_ns, status.st_mtime_ns))
    draft.rename(target)
    return FileEntry(size, status.st_mtime_ns, stat.S_IMODE(status.st_mode), sha256)


def is_own_file(path: Path, status: os.stat_result) -> bool:
    """Return whether `path` is a regular file, and in the folder of takes a recording without a second name elsewhere.

    Asterisk can write there: a name with a line break, or in other bytes than UTF-8, would make a backup that cannot be
    restored, or none.
    """
    if path.parent.name == TAKES and not (RECORDING_NAME_PATTERN.fullmatch(path.name) and status.st_nlink == 1):
        return False
    return stat.S_ISREG(status.st_mode)


@contextmanager
def open_regular(path: Path) -> Iterator[tuple[IO[bytes], os.stat_result]]:
    """Open a regular file, with its state.

    Raises FileNotFoundError if there is something else by now: a link, a pipe, or in the folder of takes, where
    Asterisk can write, a second name of a file from elsewhere.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(handle)
    if not is_own_file(path, status):
        os.close(handle)
        raise FileNotFoundError(errno.ENOENT, "is no regular file of its own", str(path))
    with os.fdopen(handle, "rb") as file:
        yield file, status


def make_folder(folder: Path) -> None:
    """Create a folder that only its owner can read, with its parents."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for path in reversed(missing):
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)


@contextmanager
def disk_errors(folder: Path, what: str) -> Iterator[None]:
    """Raise errors of the disk that holds `folder` as `DiskFull` and `StoreError`. `what`: the command to repeat."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(f"no space is left in {folder}: free some, then run '{what}' again; it continues") from error
        if isinstance(error, BrokenPipeError):
            raise StoreError("the program that reads the backup has ended: the backup is not complete") from error
        raise StoreError(f"{error.filename or folder}: {error.strerror or error}") from error
