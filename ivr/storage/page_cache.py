"""Files whose content the kernel has in memory: reading them waits for no disk, so the event loop itself may do it.

A turn of a thread costs more than reading a message of a minute that is in memory.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

SYS_OPENAT2, SYS_CACHESTAT = 437, 451
"""Numbers of system calls, the same on all architectures. The C library has no functions for them."""
AT_FDCWD = -100
RESOLVE_CACHED = 0x20
"""Fail rather than wait for the disk or the network (Linux 5.12 and later)."""
MAX_FOLDERS = 1000
"""Folders whose file system is remembered."""
PAGE_BYTES = os.sysconf("SC_PAGESIZE")

_libc = ctypes.CDLL(None)
_libc.syscall.restype = ctypes.c_long


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


_OPEN_HOW = ctypes.pointer(_OpenHow(os.O_RDONLY | os.O_CLOEXEC, 0, RESOLVE_CACHED))
_OPEN_HOW_BYTES = ctypes.sizeof(_OpenHow)


class OpenFile:
    """An open file. It is closed at the latest when nothing refers to it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def is_in_memory(self, start: int, end: int) -> bool:
        """Return whether these bytes can be read without waiting. False if the kernel does not tell (before Linux 6.5,
        and about the files of other users)."""
        first_byte = start // PAGE_BYTES * PAGE_BYTES
        counts = (ctypes.c_uint64 * 5)()
        byte_range = ctypes.byref(_Range(first_byte, end - first_byte))
        if not 0 <= start < end <= self.size or _libc.syscall(SYS_CACHESTAT, self.descriptor, byte_range, counts, 0):
            return False
        return bool(counts[0] == -(-(end - first_byte) // PAGE_BYTES))

    def read(self, start: int, end: int) -> bytes:
        """Return these bytes. Raises OSError if the file has become shorter."""
        content = os.pread(self.descriptor, end - start, start)
        if len(content) < end - start:
            raise OSError("the file was truncated while it was read")
        return content


class PageCache:
    """Opens files whose folder entries are in memory, on file systems that do not wait then.

    Which these are is found out in a thread, once for each folder: opening a file of a network file system may wait for
    its server, whatever is in memory here.
    """

    def __init__(self) -> None:
        self._never_waits: dict[str, bool] = {}

    def open_at_once(self, path: Path) -> OpenFile:
        """Open a file for reading, without waiting. Raises `BlockingIOError` if that may not be possible."""
        name = os.fspath(path)
        if not self._never_waits.get(name.rpartition("/")[0]):
            raise BlockingIOError
        descriptor = _libc.syscall(SYS_OPENAT2, AT_FDCWD, os.fsencode(name), _OPEN_HOW, _OPEN_HOW_BYTES)
        if descriptor < 0:  # Whatever the reason: who opens the file in a thread finds it.
            raise BlockingIOError
        return OpenFile(descriptor)

    def open(self, path: Path) -> OpenFile:
        """Open a file for reading. Blocks. Raises OSError."""
        file = OpenFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        folder = os.fspath(path.parent)
        if folder not in self._never_waits:
            if len(self._never_waits) >= MAX_FOLDERS:
                self._never_waits.clear()
            self._never_waits[folder] = _can_read_without_waiting(file)
        return file


def _can_read_without_waiting(file: OpenFile) -> bool:
    """Return whether the file system of a file can be asked for what is in memory. Network file systems cannot."""
    try:
        os.preadv(file.descriptor, [bytearray(1)], 0, os.RWF_NOWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True
