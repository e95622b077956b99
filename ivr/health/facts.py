"""What the health checks examine: the data folder, the clock, and a few rows of the database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from ivr.clock import EARLIEST_PLAUSIBLE_TIME
from ivr.directory.peppers import PepperUsage
from ivr.storage.records import ZoneUse

MEGABYTE = 2**20


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """Thresholds of the checks. A message of 500 s is 8 MB."""

    low_space_bytes: int = 1024 * MEGABYTE
    critical_space_bytes: int = 100 * MEGABYTE
    full_bytes: int = MEGABYTE
    """With less free space, nothing is recorded."""
    critical_files: int = 1000
    """Further files (inodes) that a file system must have room for. A message needs three at most."""
    full_files: int = 10
    earliest_time: float = EARLIEST_PLAUSIBLE_TIME
    """An earlier time of the clock is wrong."""


FileId = tuple[int, int]
"""Device and inode."""


def file_id(path: Path) -> FileId | None:
    """Return the device and inode of a file or folder; None if it does not exist or cannot be reached."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


NO_LIMIT = 2**62


def count_free_files(folder: Path) -> int:
    """Return how many further files a file system has room for; `NO_LIMIT` if it makes room as it needs it (Btrfs)."""
    status = os.statvfs(folder)
    return status.f_favail if status.f_files else NO_LIMIT


@dataclass(frozen=True, slots=True)
class HealthFacts:
    """One look at an installation, as the process that runs the checks sees it."""

    folder: Path
    """The data folder."""
    now: float
    """Unix seconds."""
    node_folder: Path | None = None
    """The folder of what belongs to this node alone; None: the data folder."""
    opened_folder: FileId | None = None
    """The data folder that the service has opened; None in a process that is not the service."""
    database_error: str = ""
    """Why the database cannot be opened, read or written; "" if it can."""
    audio_error: str = ""
    """Why recordings cannot be stored in the object store, and what to do; "" if they can."""
    pepper_file: Path | None = None
    """None: `state/pepper` in the data folder."""
    is_pepper_right: bool = True
    peppers: Sequence[PepperUsage] = ()
    """The versions of the pepper, and how many hashes need each."""
    newest_message_at: int = 0
    """Unix seconds; 0: there is no message."""
    trusted_time: int = 0
    """Unix seconds at which retention ran last with a trusted clock; 0: never."""
    clock_lead_s: int = 0
    """Seconds by which the clock of the database's server is before that of this machine; negative: behind it."""
    zones: Sequence[ZoneUse] = ()
    """The time zones in use."""
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    free_files: Callable[[Path], int] = count_free_files
    run_as_owner: Callable[[Path], AbstractContextManager[None]] = lambda folder: nullcontext()
    """Context with the rights of the owner of a folder, for a process that runs as root."""
    limits: HealthLimits = HealthLimits()
