"""Folders and files of a machine, as root opens them where other users can write.

The user of the service owns the data folder, and Asterisk's user often owns /etc/asterisk. Root must not follow a link
that one of them has laid: it would change owner, mode or content of any file. So every name of a path is opened in the
folder before it, and a link is followed only if no user but root could have laid it. The same holds for a second name
of a file (a hard link), which kernels with `fs.protected_hardlinks = 0` let everybody make.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ivr.errors import ConfigurationError

MAX_LINKS = 16
READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
FOLDER_FLAGS = READ_FLAGS | os.O_DIRECTORY


@contextmanager
def open_folder(path: Path, *, create: bool = False, link_free: bool = False) -> Iterator[int]:
    """Context with a descriptor of a folder.

    `create`: make what is missing. `link_free`: the last name must be no link, not even one of root. Raises
    `ConfigurationError` for a link that is not followed, OSError.
    """
    descriptor = _open_folder(path, create=create, link_free=link_free, links=0)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_file(path: Path, *, link_free: bool = False) -> str | None:
    """Return the content of a regular file; None if it is missing. Raises as `open_folder` does."""
    try:
        descriptor = _open_file(path, link_free=link_free)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def correct_owner(path: Path, *, mode: int, owner: tuple[int, int] | None, link_free: bool = False) -> None:
    """Set owner, group and mode of a regular file, if it exists. Raises as `open_folder` does."""
    with suppress(FileNotFoundError):
        descriptor = _open_file(path, link_free=link_free)
        try:
            set_owner_and_mode(descriptor, mode=mode, owner=owner)
        finally:
            os.close(descriptor)


def _open_file(path: Path, *, link_free: bool) -> int:
    """Return a descriptor of a regular file. Raises `ConfigurationError` for anything else, OSError."""
    path = _resolve_link(path, link_free=link_free)
    try:
        with open_folder(path.parent) as folder:
            is_roots = _is_roots_alone(folder) and not link_free
            descriptor = os.open(path.name, READ_FLAGS, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _refusal(path) from error
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or (status.st_nlink > 1 and not is_roots):
        os.close(descriptor)
        raise _refusal(path)
    return descriptor


def replace_file(
    path: Path, content: str, *, mode: int, owner: tuple[int, int] | None, link_free: bool = False
) -> None:
    """Replace a file at once: an interrupted installation leaves the former one. `owner`: ids of user and group.

    A link that only root can have laid stays, and its file is replaced. Raises as `open_folder` does.
    """
    path = _resolve_link(path, link_free=link_free)
    draft = f".{path.name}.draft"
    with open_folder(path.parent, create=True) as folder:
        with suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, 0o600, dir_fd=folder), "wb") as file:
            file.write(content.encode(errors="surrogateescape"))
            file.flush()
            set_owner_and_mode(file.fileno(), mode=mode, owner=owner)
            os.fsync(file.fileno())
        os.rename(draft, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)


def set_owner_and_mode(descriptor: int, *, mode: int, owner: tuple[int, int] | None) -> None:
    """Set owner, group and mode of an open file or folder. The mode comes last: chown() clears bits of it."""
    if owner:
        os.fchown(descriptor, *owner)
    os.fchmod(descriptor, mode)


def _open_folder(path: Path, *, create: bool, link_free: bool, links: int) -> int:
    current = os.open("/", FOLDER_FLAGS)
    try:
        parts = path.absolute().parts[1:]
        for index, name in enumerate(parts):
            is_last = index == len(parts) - 1
            try:
                following = _open_or_create(name, current, create=create)
            except OSError as error:
                destination = _link_destination(name, current)
                if destination is None:
                    raise
                here = Path("/", *parts[: index + 1])
                if links >= MAX_LINKS or (is_last and link_free) or not _is_roots_alone(current):
                    raise _refusal(here) from error
                rest = here.parent.joinpath(destination, *parts[index + 1 :])
                return _open_folder(Path(os.path.normpath(rest)), create=create, link_free=link_free, links=links + 1)
            os.close(current)
            current = following
        return os.dup(current)
    finally:
        os.close(current)


def _open_or_create(name: str, folder: int, *, create: bool) -> int:
    try:
        return os.open(name, FOLDER_FLAGS, dir_fd=folder)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=folder)
    return os.open(name, FOLDER_FLAGS, dir_fd=folder)


def _resolve_link(path: Path, *, link_free: bool) -> Path:
    """Return the file that a link of root's means; `path` itself if it is no link. Raises `ConfigurationError`."""
    for _ in range(MAX_LINKS):
        try:
            with open_folder(path.parent) as folder:
                destination = _link_destination(path.name, folder)
                if destination is None:
                    return path
                if link_free or not _is_roots_alone(folder):
                    raise _refusal(path)
        except FileNotFoundError:
            return path
        path = Path(os.path.normpath(path.parent / destination))
    raise _refusal(path)


def _link_destination(name: str, folder: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:
        return None


def _is_roots_alone(folder: int) -> bool:
    """Return whether only root, or the present user, can make names in a folder."""
    status = os.fstat(folder)
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _refusal(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is a link, has a second name or is no regular file, and another user than root may have put it there:"
        f" look at it (ls -l {path}), remove it, then run 'ivr install' again"
    )
