"""The data folder: whether the service may work in it, nobody else may look into it, and there is room."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator

from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation, run_as_owner_of

MEGABYTE = 2**20
LOW_SPACE_BYTES = 1024 * MEGABYTE
CRITICAL_SPACE_BYTES = 100 * MEGABYTE
"""A message of 500 s is 8 MB."""
SECRET_FILES = ("pepper", "asterisk-secret")


def check_data_folder(installation: Installation) -> Iterator[Finding]:
    """Whether the service may work in its data folder, and nobody else may look into it."""
    folder = installation.data_folder
    if not folder.is_dir():
        yield problem(
            "data folder",
            f"there is no folder {folder}",
            f"'ivr install' makes it; or: install -d -o ivr -g ivr-asterisk -m 2750 {folder}",
        )
        return
    found = folder.stat()
    if found.st_uid == 0:
        yield warning(
            "data folder",
            f"{folder} belongs to root",
            f"let the service be a user of its own: chown -R ivr:ivr-asterisk {folder}",
        )
    with run_as_owner_of(folder):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            yield problem(
                "data folder",
                f"this user ({os.geteuid()}) cannot write into {folder}: {error.strerror}",
                f"run as the service's user: sudo -u '#{found.st_uid}' ivr doctor; or chown -R ivr {folder}",
            )
            return
    if found.st_mode & stat.S_IRWXO:
        yield problem("data folder", f"everybody may look into {folder}", f"chmod 2750 {folder}")
        return
    yield ok("data folder", f"{folder}, of user {found.st_uid} and group {found.st_gid}")


def check_takes_folder(installation: Installation) -> Iterator[Finding]:
    """Whether Asterisk's group may record."""
    takes, folder = installation.data_folder / "takes", installation.data_folder
    if not takes.is_dir():
        return  # The first start makes it.
    mode, remedy = stat.S_IMODE(takes.stat().st_mode), f"chgrp --reference={folder} {takes} && chmod 2770 {takes}"
    if mode & 0o2070 != 0o2070 or takes.stat().st_gid != folder.stat().st_gid:
        yield problem("data folder", f"Asterisk's group may not record into {takes} (it is {mode:o})", remedy)
    elif mode & stat.S_IRWXO:
        yield problem("data folder", f"everybody may look into {takes}", remedy)


def check_secret_files(installation: Installation) -> Iterator[Finding]:
    """Whether what must stay secret is only the service's to read."""
    for name in SECRET_FILES:
        path = installation.data_folder / name
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield problem("secrets", f"others than the service may read {path}", f"chmod 600 {path}")


def check_disk_space(installation: Installation) -> Iterator[Finding]:
    """Whether there is room for recordings."""
    if not installation.data_folder.is_dir():
        return
    free = installation.host.free_bytes(installation.data_folder)
    what, remedy = (
        f"{free // MEGABYTE} MB left for {installation.data_folder}",
        "make room, or move [data] folder to a larger disk",
    )
    if free < CRITICAL_SPACE_BYTES:
        yield problem("disk", what, remedy)
    elif free < LOW_SPACE_BYTES:
        yield warning("disk", what, remedy)
    else:
        yield ok("disk", what)
