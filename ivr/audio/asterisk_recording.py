"""Recordings that Asterisk wrote: opened once, checked, and read from the descriptor.

Asterisk can write in the folder of takes, so a process that controls Asterisk can put anything there, and replace it at
any moment: links, pipes, files that only seem large. A name in that folder is therefore opened once, without following
a link and without waiting, and what was opened is examined. Nothing is read by the name again.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ivr.audio import wav
from ivr.errors import InvalidAudio

MAX_RECORDING_S = 10**6
"""The longest recording that the settings permit."""
MAX_RECORDING_BYTES = wav.HEADER_BYTES + MAX_RECORDING_S * 1000 * wav.BYTES_PER_MS
COPY_BYTES = 2**20


@contextmanager
def open_recording(path: Path) -> Iterator[tuple[int, int]]:
    """Context with a descriptor for reading and the size of a recording of Asterisk.

    Raises `InvalidAudio` for anything but a regular file with one name that Asterisk may have written, and OSError.
    """
    with open_regular(path) as descriptor:
        yield descriptor, _permitted_size(path, os.fstat(descriptor))


@contextmanager
def open_regular(path: Path) -> Iterator[int]:
    """Context with a descriptor for reading a file in a folder of Asterisk, such as a spool of app_voicemail.

    Raises `InvalidAudio` for anything but a regular file, and OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _refusal(path, "is a link or a socket") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _refusal(path, "is no regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def read_start(path: Path, max_bytes: int) -> bytes:
    """Return the first bytes of a file in a folder of Asterisk. Raises `InvalidAudio` if it is not regular, OSError."""
    with open_regular(path) as descriptor:
        return os.pread(descriptor, max_bytes, 0)


def length_ms(path: Path) -> int:
    """Return the length of a recording of Asterisk in ms, without opening it. Raises `InvalidAudio`, OSError."""
    return wav.length_ms_from_size(_permitted_size(path, path.lstat()))


def copy_repaired(path: Path, target: int) -> None:
    """Copy a recording of Asterisk to the descriptor `target`, with the true length in its header.

    What Asterisk appends meanwhile is left out. Holes of the file stay holes. Raises `InvalidAudio`, OSError.
    """
    with open_recording(path) as (source, size):
        if not wav.is_canonical(os.pread(source, wav.HEADER_BYTES, 0)):
            raise _refusal(path, "has another header")
        data_bytes = (size - wav.HEADER_BYTES) // 2 * 2
        end = wav.HEADER_BYTES + data_bytes
        for start, stop in _data_ranges(source, end):
            _copy_range(source, target, start, stop)
        os.ftruncate(target, end)
        os.pwrite(target, wav.header(data_bytes), 0)


def _permitted_size(path: Path, status: os.stat_result) -> int:
    if not stat.S_ISREG(status.st_mode):
        raise _refusal(path, "is no regular file")
    if status.st_nlink != 1:
        raise _refusal(path, "has a second name elsewhere")
    if status.st_uid == os.geteuid() and status.st_gid != path.parent.stat().st_gid:
        # What is recorded there gets the group of the folder. This is a file of our own from another folder.
        raise _refusal(path, "has another group than its folder")
    if status.st_size > MAX_RECORDING_BYTES:
        raise _refusal(path, f"is longer than {MAX_RECORDING_S} s")
    return status.st_size


def _refusal(path: Path, reason: str) -> InvalidAudio:
    return InvalidAudio(f"{path} is not a recording made by Asterisk: it {reason}")


def _data_ranges(source: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a file that are no holes, up to `end`."""
    position = 0
    while position < end:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # There is nothing but a hole behind the position.
            raise
        if start >= end:
            return
        position = min(os.lseek(source, start, os.SEEK_HOLE), end)
        yield start, position


def _copy_range(source: int, target: int, start: int, stop: int) -> None:
    while start < stop and (block := os.pread(source, min(COPY_BYTES, stop - start), start)):
        view = memoryview(block)
        while view:
            written = os.pwrite(target, view, start)
            start, view = start + written, view[written:]
