"""The data folder: whether the service may work in it, nobody else may look into it, and there is room."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator

from ivr.doctor.finding import Finding, ok, problem, warning
from ivr.doctor.installation import Installation, as_owner_of

MEGABYTE = 2**20
SCARCE_BYTES = 1024 * MEGABYTE
TOO_LITTLE_BYTES = 100 * MEGABYTE
"""A message of 500 s is 8 MB."""
SECRETS = ("pepper", "asterisk-secret")


def data_folder(site: Installation) -> Iterator[Finding]:
    """Whether the service may work in its data folder, and nobody else may look into it."""
    folder = site.folder
    if not folder.is_dir():
        yield problem(
            "data folder", f"there is no folder {folder}",
            f"'ivr install' makes it; or: install -d -o ivr -g ivr-asterisk -m 2750 {folder}",
        )  # fmt: skip
        return
    found = folder.stat()
    if found.st_uid == 0:
        yield warning(
            "data folder", f"{folder} belongs to root",
            f"let the service be a user of its own: chown -R ivr:ivr-asterisk {folder}",
        )  # fmt: skip
    with as_owner_of(folder):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            yield problem(
                "data folder", f"this user ({os.geteuid()}) cannot write into {folder}: {error.strerror}",
                f"run as the service's user: sudo -u '#{found.st_uid}' ivr doctor; or chown -R ivr {folder}",
            )  # fmt: skip
            return
    if found.st_mode & stat.S_IRWXO:
        yield problem("data folder", f"everybody may look into {folder}", f"chmod 2750 {folder}")
        return
    yield ok("data folder", f"{folder}, of user {found.st_uid} and group {found.st_gid}")


def takes_folder(site: Installation) -> Iterator[Finding]:
    """Whether Asterisk's group may record."""
    takes, folder = site.folder / "takes", site.folder
    if not takes.is_dir():
        return  # The first start makes it.
    mode, remedy = stat.S_IMODE(takes.stat().st_mode), f"chgrp --reference={folder} {takes} && chmod 2770 {takes}"
    if mode & 0o2070 != 0o2070 or takes.stat().st_gid != folder.stat().st_gid:
        yield problem("data folder", f"Asterisk's group may not record into {takes} (it is {mode:o})", remedy)
    elif mode & stat.S_IRWXO:
        yield problem("data folder", f"everybody may look into {takes}", remedy)


def secret_files(site: Installation) -> Iterator[Finding]:
    """Whether what must stay secret is only the service's to read."""
    for name in SECRETS:
        path = site.folder / name
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield problem("secrets", f"others than the service may read {path}", f"chmod 600 {path}")


def disk_room(site: Installation) -> Iterator[Finding]:
    """Whether there is room for recordings."""
    if not site.folder.is_dir():
        return
    free = site.machine.free_bytes(site.folder)
    what, remedy = f"{free // MEGABYTE} MB left for {site.folder}", "make room, or move [data] folder to a larger disk"
    if free < TOO_LITTLE_BYTES:
        yield problem("disk", what, remedy)
    elif free < SCARCE_BYTES:
        yield warning("disk", what, remedy)
    else:
        yield ok("disk", what)
