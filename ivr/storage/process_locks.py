"""Which recordings somebody is at, told to all processes of an installation.

A lock file for each, held by the process that is at it. The kernel lets go of it when that process ends, however it
ends: so what a killed process was at is known to be nobody's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

import structlog

log = structlog.get_logger()


class ProcessLocks:
    """Locks in one folder, which is made when it is first needed. `name` is any word that is a file name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handles: dict[str, int] = {}

    def acquire(self, name: str) -> bool:
        """Be at it from now on; False where somebody else is. Where no lock can be made (a full disk), only this
        process knows."""
        if name in self._handles:
            return False
        try:
            self._folder.mkdir(mode=0o750, exist_ok=True)
            handle = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            log.warning("attendance.unknown", name=name, error=str(error))
            self._handles[name] = -1
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._handles[name] = handle
        return True

    def release(self, name: str) -> None:
        """Be at it no longer. Nothing where this process was not."""
        handle = self._handles.pop(name, -1)
        if handle >= 0:
            self._unlink(name)
            os.close(handle)

    def release_all(self) -> None:
        """Be at nothing any more."""
        for name in [*self._handles]:
            self.release(name)

    def is_locked(self, name: str) -> bool:
        """Whether anybody is at it, in this process or another."""
        if name in self._handles:
            return True
        try:
            handle = os.open(self._folder / name, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        else:
            self._unlink(name)  # Whoever was at it has died.
            return False
        finally:
            os.close(handle)

    def _unlink(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._folder / name).unlink()
