"""The peppers of an installation in one folder: `pepper`, and `pepper.<id>` for each earlier one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ivr.directory.peppers import Pepper
from ivr.errors import StoreError, describe_error
from ivr.paths import read_or_create_secret, write_secret

FORGET_AFTER_S = 3600


class PepperFiles:
    """The `PepperSource` of a folder.

    An earlier pepper is removed at the earliest `forget_after_s` seconds after its file was written. `now` is the Unix
    time of the file system.
    """

    def __init__(
        self, folder: Path, *, forget_after_s: float = FORGET_AFTER_S, now: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._file = folder / "pepper"
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
            self._current = Pepper(read_or_create_secret(self._file).encode())
            self._state = state or self._current.id
        return self._current

    def find(self, pepper_id: str) -> Pepper | None:
        current = self.current()
        if current.id == pepper_id:
            return current
        return next((pepper for pepper in self.earlier() if pepper.id == pepper_id), None)

    def earlier(self) -> Sequence[Pepper]:
        try:
            return [Pepper(path.read_text().strip().encode()) for path in sorted(self._folder.glob("pepper.*"))]
        except OSError as error:
            raise StoreError(f"an earlier pepper cannot be read: {describe_error(error)}") from error

    def rotate(self, key: bytes) -> None:
        current = self.current()
        try:
            write_secret(self._path_of(current.id), current.key.decode())
            write_secret(self._file, key.decode())
        except OSError as error:
            raise StoreError(f"the pepper cannot be replaced: {describe_error(error)}") from error

    def forget(self, pepper_id: str) -> None:
        path = self._path_of(pepper_id)
        try:
            if self._now() - path.stat().st_mtime >= self._forget_after_s:
                path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"an earlier pepper cannot be removed: {describe_error(error)}") from error

    def _path_of(self, pepper_id: str) -> Path:
        return self._folder / f"pepper.{pepper_id}"
