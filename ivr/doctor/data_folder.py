"""Checks of the data folder: access for the service, no access for other users, free space."""

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
DATABASE_FILES = ("ivr.db", "ivr.db-wal", "ivr.db-shm")
PEPPER_REMEDY = "restore pepper from a backup; if it is lost: ivr pepper accept, then set PINs with ivr box pin NUMBER"


def check_data_folder(installation: Installation) -> Iterator[Finding]:
    """Check that the service can write to its data folder, and that other users cannot read it."""
    folder = installation.data_folder
    if not folder.is_dir():
        yield problem(
            "data folder",
            f"{folder} does not exist",
            f"'ivr install' creates it; or: install -d -o ivr -g ivr-asterisk -m 2750 {folder}",
        )
        return
    status = folder.stat()
    if status.st_uid == 0:
        yield warning(
            "data folder",
            f"{folder} belongs to root",
            f"run the service as a user of its own: chown -R ivr:ivr-asterisk {folder}",
        )
    with run_as_owner_of(folder):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            yield problem(
                "data folder",
                f"user {os.geteuid()} cannot write to {folder}: {error.strerror}",
                f"run as the user of the service: sudo -u '#{status.st_uid}' ivr doctor; or: chown -R ivr {folder}",
            )
            return
    if status.st_mode & stat.S_IRWXO:
        yield problem("data folder", f"every user can access {folder}", f"chmod 2750 {folder}")
        return
    yield ok("data folder", f"{folder}, user {status.st_uid}, group {status.st_gid}")


def check_takes_folder(installation: Installation) -> Iterator[Finding]:
    """Check that Asterisk's group can record, and that other users cannot listen."""
    takes, folder = installation.data_folder / "takes", installation.data_folder
    if not takes.is_dir():
        return  # The first start of the service creates it.
    mode, remedy = stat.S_IMODE(takes.stat().st_mode), f"chgrp --reference={folder} {takes} && chmod 2770 {takes}"
    if mode & 0o2070 != 0o2070 or takes.stat().st_gid != folder.stat().st_gid:
        yield problem("data folder", f"Asterisk's group cannot record to {takes} (mode {mode:o})", remedy)
    elif mode & stat.S_IRWXO:
        yield problem("data folder", f"every user can access {takes}", remedy)


def check_secret_files(installation: Installation) -> Iterator[Finding]:
    """Check that only the user of the service can read the files that hold secrets."""
    for name in SECRET_FILES:
        path = installation.data_folder / name
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield problem("secrets", f"other users than that of the service can read {path}", f"chmod 600 {path}")


def check_database_files(installation: Installation) -> Iterator[Finding]:
    """Check that the service can write the database, whose files may belong to root after a restore."""
    folder = installation.data_folder
    for path in [folder / name for name in DATABASE_FILES]:
        if not path.exists():
            continue
        with run_as_owner_of(folder):
            is_writable = os.access(path, os.R_OK | os.W_OK, effective_ids=True)
        if not is_writable:
            owner = folder.stat().st_uid
            yield problem(
                "database",
                f"user {owner} of {folder} cannot write {path}, which belongs to user {path.stat().st_uid}:"
                " nothing can be stored",
                f"chown --reference={folder} {path} && chmod 640 {path}; then: systemctl restart ivr",
            )


def check_pepper(installation: Installation) -> Iterator[Finding]:
    """Check that the pepper is the one that PINs and passwords were stored with."""
    if installation.snapshot and not installation.snapshot.is_pepper_right:
        path = installation.data_folder / "pepper"
        yield problem("pepper", f"{path} is not the pepper of the database: every PIN is wrong", PEPPER_REMEDY)


def check_disk_space(installation: Installation) -> Iterator[Finding]:
    """Check that there is space for recordings."""
    if not installation.data_folder.is_dir():
        return
    free_bytes = installation.host.free_bytes(installation.data_folder)
    what = f"{free_bytes // MEGABYTE} MB free for {installation.data_folder}"
    remedy = "delete other files, or move the data folder to a larger disk and set folder in [data] of ivr.toml"
    if free_bytes < CRITICAL_SPACE_BYTES:
        yield problem("disk", what, remedy)
    elif free_bytes < LOW_SPACE_BYTES:
        yield warning("disk", what, remedy)
    else:
        yield ok("disk", what)
