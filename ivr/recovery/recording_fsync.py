"""Recordings in progress reach the disk each second, so that a power cut costs one second more than a crash does.

Asterisk writes its recordings and never syncs them. This looks at the folder of takes itself, so it covers takes of
this process, of an earlier one, and what the dialplan records alone.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import structlog

INTERVAL_S = 1.0

log = structlog.get_logger()


class RecordingFsync:
    """Syncs what grows in one folder; all of it in a thread of its own, never on the loop's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._synced_sizes: dict[str, int] = {}

    async def run_forever(self) -> None:
        """Sync for as long as the service lives."""
        told = ""
        while True:
            try:
                await asyncio.to_thread(self.run_once)
                told = ""
            except OSError as error:
                if str(error) != told:
                    told = str(error)
                    log.error("takes.not_synced", reason=told, remedy="look at the disk of the data folder")
            await asyncio.sleep(INTERVAL_S)

    def run_once(self) -> None:
        """Sync each file that has grown since the last turn, and the folder where one is new. Raises OSError."""
        with os.scandir(self._folder) as entries:
            found = {entry.name: entry.stat().st_size for entry in entries if entry.is_file(follow_symlinks=False)}
        for name, size in found.items():
            if size != self._synced_sizes.get(name):
                _fsync(self._folder / name)
        if found.keys() - self._synced_sizes.keys():
            _fsync(self._folder)
        self._synced_sizes = found


def _fsync(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return  # It has been kept or dropped meanwhile.
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
