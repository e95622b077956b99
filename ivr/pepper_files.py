"""The peppers of an installation: the file `pepper`, and beside it `pepper.<id>` for each earlier one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ivr.directory.peppers import Pepper
from ivr.errors import StoreError, describe_error
from ivr.paths import read_or_create_secret, write_secret
from ivr.storage.data_folder import state_folder

FORGET_AFTER_S = 3600
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
UNIT_CREDENTIALS = "/run/credentials/ivr.service"
"""Where systemd has the credentials of the running service, also for a command of root, which has no such variable."""


def pepper_path(data_folder: Path, configured: str) -> Path:
    """Return the path of the pepper. `configured`: `pins.pepper_file`; "" means that it is in the data folder."""
    if not configured:
        return state_folder(data_folder) / "pepper"
    prefix = f"${CREDENTIALS_VARIABLE}"
    if configured.startswith(prefix):
        return Path(os.environ.get(CREDENTIALS_VARIABLE, UNIT_CREDENTIALS) + configured.removeprefix(prefix))
    return Path(configured)


class PepperFiles:
    """The `PepperSource` of one file and those beside it.

    `may_create`: whether the file is created if it is missing; otherwise that is an error, `StoreError`. An earlier
    pepper is removed at the earliest `forget_after_s` seconds after its file was written. `now` is the Unix time of the
    file system.
    """

    def __init__(
        self,
        file: Path,
        *,
        may_create: bool,
        forget_after_s: float = FORGET_AFTER_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._may_create = may_create
        self._forget_after_s = forget_after_s
        self._now = now
        self._state: object = None
        self._current = Pepper(b"")

    def current(self) -> Pepper:
        try:
            found = self._file.stat()
            state: object = (found.st_ino, found.st_mtime_ns)
        except OSError:
            state = None
        if self._state is None or (state is not None and state != self._state):
            self._current = Pepper(self._read())
            self._state = state or self._current.id
        return self._current

    def _read(self) -> bytes:
        """Return the key in the file. Raises `StoreError` also for an empty file, which would be known to everybody."""
        if not self._may_create and not os.path.exists(self._file):
            raise StoreError(
                f"the pepper {self._file} does not exist or cannot be reached: mount its disk, or correct"
                " pins.pepper_file; a credential of systemd can be read while the service runs, by root and the service"
            )
        key = read_or_create_secret(self._file).encode()
        if not key and not self._may_create:
            raise StoreError(f"the pepper {self._file} is empty: restore it from where it is backed up")
        return key

    def find(self, pepper_id: str) -> Pepper | None:
        current = self.current()
        if current.id == pepper_id:
            return current
        return next((pepper for pepper in self.earlier() if pepper.id == pepper_id), None)

    def earlier(self) -> Sequence[Pepper]:
        try:
            return [
                Pepper(path.read_text().strip().encode())
                for path in sorted(self._file.parent.glob(f"{self._file.name}.*"))
            ]
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"an earlier pepper cannot be read: {describe_error(error)}") from error

    def rotate(self, key: bytes) -> None:
        current = self.current()
        if not os.access(self._file.parent, os.W_OK):
            raise StoreError(
                f"the pepper {self._file} cannot be replaced, because its folder cannot be written: docs/security.md"
                " says how to rotate it"
            )
        try:
            write_secret(self._path_of(current.id), current.key.decode())
            write_secret(self._file, key.decode())
        except OSError as error:
            raise StoreError(f"the pepper cannot be replaced: {describe_error(error)}") from error

    def forget(self, pepper_id: str) -> None:
        path = self._path_of(pepper_id)
        if not os.access(path.parent, os.W_OK):
            return  # A credential of systemd, or a disk that is read-only: who put it there removes it.
        try:
            if self._now() - path.stat().st_mtime >= self._forget_after_s:
                path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"an earlier pepper cannot be removed: {describe_error(error)}") from error

    def _path_of(self, pepper_id: str) -> Path:
        return self._file.with_name(f"{self._file.name}.{pepper_id}")
