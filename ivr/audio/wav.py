"""The one form in which recordings are kept: WAV, 8 kHz, mono, 16 bit, data at byte 44.

Asterisk seeks in it to the sample, but takes the data to begin at byte 44 whatever the header says, so every file we
make has exactly that header. The length of a recording is taken from its size, never from its header: Asterisk writes
the header's lengths only when it closes the file, so one cut short by a crash has none.
"""

from __future__ import annotations

import struct
from pathlib import Path

from ivr.errors import InvalidAudio

SAMPLE_RATE = 8000
SAMPLES_PER_MS = SAMPLE_RATE // 1000
BYTES_PER_MS = SAMPLES_PER_MS * 2
HEADER_BYTES = 44

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


def header(data_bytes: int) -> bytes:
    """The 44 bytes in front of `data_bytes` of samples."""
    return _HEADER.pack(
        b"RIFF",
        HEADER_BYTES - 8 + data_bytes,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        SAMPLE_RATE,
        SAMPLE_RATE * 2,
        2,
        16,
        b"data",
        data_bytes,
    )


def is_canonical(start: bytes) -> bool:
    """Whether a file that begins with `start` (44 bytes) has our form; its lengths may be wrong."""
    if len(start) < HEADER_BYTES:
        return False
    riff, _, wave, fmt, size, *form, data, _ = _HEADER.unpack(start[:HEADER_BYTES])
    return (riff, wave, fmt, size, data) == (b"RIFF", b"WAVE", b"fmt ", 16, b"data") and form == [
        1,
        1,
        SAMPLE_RATE,
        SAMPLE_RATE * 2,
        2,
        16,
    ]


def length_ms(path: Path) -> int:
    """How long the recording at `path` is, by its size; 0 for a file without samples. Raises OSError."""
    return length_ms_from_size(path.stat().st_size)


def length_ms_from_size(size: int) -> int:
    """How many ms a recording of `size` bytes lasts."""
    return max(0, size - HEADER_BYTES) // BYTES_PER_MS


def read_samples(path: Path) -> bytes:
    """The samples of the recording at `path`. Raises `InvalidAudio` where it has not our form, and OSError."""
    content = path.read_bytes()
    if not is_canonical(content):
        raise InvalidAudio(f"{path} is not a WAV of 8 kHz, mono, 16 bit with its data at byte {HEADER_BYTES}")
    whole = len(content) - (len(content) - HEADER_BYTES) % 2
    return content[HEADER_BYTES:whole]


def write(path: Path, pcm: bytes) -> None:
    """Write the samples `pcm` as a recording. Not synced."""
    with path.open("wb") as file:
        file.write(header(len(pcm)))
        file.write(pcm)


def silence(ms: int) -> bytes:
    """Samples of nothing."""
    return bytes(ms * BYTES_PER_MS)


def repair_header(path: Path) -> None:
    """Make the header of a recording that was never closed tell its true length. Raises `InvalidAudio`, OSError."""
    with path.open("r+b") as file:
        start = file.read(HEADER_BYTES)
        if not is_canonical(start):
            raise InvalidAudio(f"{path} is not a recording of Asterisk's")
        file.seek(0, 2)
        data_bytes = (file.tell() - HEADER_BYTES) // 2 * 2
        file.truncate(HEADER_BYTES + data_bytes)
        file.seek(0)
        file.write(header(data_bytes))
