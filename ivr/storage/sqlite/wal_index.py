"""The index of the write-ahead log, which tells whether anything was committed."""

from __future__ import annotations

import mmap
import os
import threading
from pathlib import Path

HEADER_BYTES = 48


class WalIndex:
    """The index of the write-ahead log of a database file that is open."""

    def __init__(self, database: Path) -> None:
        self._path = f"{database}-shm"
        self._file: int | None = None
        self._header: mmap.mmap | None = None
        self._opening = threading.Lock()

    def header(self) -> bytes:
        """Return the header: change counter, number of frames, salts and checksums.

        SQLite rewrites it before a commit returns (https://sqlite.org/walformat.html). It is read from memory, as
        SQLite does itself: a system call would let another thread run, several times a request.
        """
        header = self._header or self._open()
        return header[:] if header else os.urandom(8)  # Without a WAL nothing is known to be unchanged.

    def _open(self) -> mmap.mmap | None:
        """Map the header, once: a second descriptor would never be closed, or drop the locks when it is."""
        with self._opening:
            if self._header is None:
                try:
                    if self._file is None:
                        self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                    self._header = mmap.mmap(self._file, HEADER_BYTES, mmap.MAP_SHARED, mmap.PROT_READ)
                except (OSError, ValueError):
                    return None  # SQLite could not use a WAL here.
            return self._header

    def close(self) -> None:
        """Close the file, after all connections: closing it drops the locks of the whole process."""
        if self._header is not None:
            self._header.close()
            self._header = None
        if self._file is not None:
            os.close(self._file)
            self._file = None
