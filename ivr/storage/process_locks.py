"""Cross-process locks on recordings.

A lock is a file held with `flock()`. The kernel releases it when its process ends, however it ends, so a lock of a
killed process is never stale.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

import structlog

from ivr.storage.files import inherit_owner

RUN_LOCK_PREFIX = "run-"
"""Prefix of the lock that each process holds to show that it lives."""

log = structlog.get_logger()


class ProcessLocks:
    """Locks in one folder, which is created with the first lock. The name of a lock is a file name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handles: dict[str, int] = {}

    def acquire(self, name: str) -> bool:
        """Acquire a lock; False if this or another process holds it.

        If the lock file cannot be created (a full disk), the lock holds within this process only.
        """
        if name in self._handles:
            return False
        try:
            if not self._folder.exists():
                self._folder.mkdir(mode=0o700, exist_ok=True)
                inherit_owner(self._folder)
            handle = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            inherit_owner(self._folder / name)
        except OSError as error:
            log.warning("lock.file_unavailable", name=name, error=str(error))
            self._handles[name] = -1
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        if not self._is_file_of(name, handle):
            os.close(handle)  # The process that held it has released it since: it has unlinked this file.
            return self.acquire(name)
        self._handles[name] = handle
        return True

    def release(self, name: str) -> None:
        """Release a lock. A lock that this process does not hold is ignored."""
        handle = self._handles.pop(name, -1)
        if handle >= 0:
            self._unlink(name)
            os.close(handle)

    def release_all(self) -> None:
        """Release all locks of this process."""
        for name in [*self._handles]:
            self.release(name)

    def acquire_run(self, run_id: str) -> None:
        """Show other processes that the process `run_id`, which is this one, lives."""
        self.acquire(RUN_LOCK_PREFIX + run_id)

    def has_run(self, run_id: str) -> bool:
        """Whether the process `run_id` lives."""
        return self.is_locked(RUN_LOCK_PREFIX + run_id)

    def has_other_run(self, run_id: str) -> bool:
        """Whether a process other than `run_id` lives."""
        names = [path.name for path in self._folder.glob(f"{RUN_LOCK_PREFIX}*")]
        return any(name != RUN_LOCK_PREFIX + run_id and self.is_locked(name) for name in names)

    def is_locked(self, name: str) -> bool:
        """Whether this or another process holds the lock."""
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
            if self._is_file_of(name, handle):  # Else another process has the lock by now, in a file of its own.
                self._unlink(name)  # The process that held it has died.
            return False
        finally:
            os.close(handle)

    def _is_file_of(self, name: str, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), (self._folder / name).stat())
        except OSError:
            return False

    def _unlink(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._folder / name).unlink()
