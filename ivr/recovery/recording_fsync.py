"""Periodic fsync of recordings in progress, so that a power failure loses at most one second more than a crash.

Asterisk writes its recordings without fsync. The folder of takes is scanned, so takes of this process, takes of an
earlier process and fallback recordings of the dialplan are all covered.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from ivr.audio.asterisk_recording import open_recording
from ivr.errors import InvalidAudio
from ivr.storage.files import fsync

log = structlog.get_logger()


class RecordingFsync:
    """Syncs the files of one folder that have grown, in a worker thread.

    `interval_s`: seconds between two runs. `fsync_path` syncs a file of the folder, or the folder.
    """

    def __init__(
        self, folder: Path, *, interval_s: float = 1.0, fsync_path: Callable[[Path], None] | None = None
    ) -> None:
        self._folder = folder
        self._interval_s = interval_s
        self._fsync_path = fsync_path or self._fsync
        self._synced_sizes: dict[str, int] = {}

    async def run_forever(self) -> None:
        """Run until cancelled. The same error is logged once."""
        last_error = ""
        while True:
            try:
                await asyncio.to_thread(self.run_once)
                last_error = ""
            except OSError as error:
                if str(error) != last_error:
                    last_error = str(error)
                    log.error("takes.fsync_failed", reason=last_error, remedy="check the disk of the data folder")
            await asyncio.sleep(self._interval_s)

    def run_once(self) -> None:
        """Sync each file that has grown since the last run, and the folder if a file is new. Raises OSError."""
        with os.scandir(self._folder) as entries:
            sizes = {
                entry.name: entry.stat(follow_symlinks=False).st_size
                for entry in entries
                if entry.is_file(follow_symlinks=False)
            }
        for name, size in sizes.items():
            if size != self._synced_sizes.get(name):
                self._fsync_if_present(self._folder / name)
        if sizes.keys() - self._synced_sizes.keys():
            self._fsync_path(self._folder)
        self._synced_sizes = sizes

    def _fsync_if_present(self, path: Path) -> None:
        with suppress(FileNotFoundError):  # The take has been delivered or discarded since the scan.
            self._fsync_path(path)

    def _fsync(self, path: Path) -> None:
        if path == self._folder:
            fsync(path)
            return
        with suppress(InvalidAudio), open_recording(path) as (descriptor, _):
            os.fsync(descriptor)
