"""The canonical format of all recordings: WAV, 8 kHz, mono, 16 bit, data at byte 44.

Asterisk seeks in it to the exact sample, but assumes that the data starts at byte 44, whatever the header says.
Therefore every file that we write has exactly this header.

The length of a recording is computed from its size, never read from its header: Asterisk writes the lengths in the
header only when it closes the file, so a recording interrupted by a crash has none.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

from ivr.errors import InvalidAudio

SAMPLE_RATE = 8000
SAMPLES_PER_MS = SAMPLE_RATE // 1000
BYTES_PER_MS = SAMPLES_PER_MS * 2
HEADER_BYTES = 44

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_FORMAT_CHUNK = (16, 1, 1, SAMPLE_RATE, SAMPLE_RATE * 2, 2, 16)
"""Size of the chunk, PCM, channels, samples per second, bytes per second, bytes per frame, bits per sample."""


def header(data_bytes: int) -> bytes:
    """Return the 44-byte header for `data_bytes` bytes of samples."""
    riff_bytes = HEADER_BYTES - 8 + data_bytes
    return _HEADER.pack(b"RIFF", riff_bytes, b"WAVE", b"fmt ", *_FORMAT_CHUNK, b"data", data_bytes)


def is_canonical(start: bytes) -> bool:
    """Return whether a file that starts with `start` (44 bytes) has this format. The lengths are not checked."""
    if len(start) < HEADER_BYTES:
        return False
    riff, _, wave, fmt, *format_chunk, data, _ = _HEADER.unpack(start[:HEADER_BYTES])
    return (riff, wave, fmt, data) == (b"RIFF", b"WAVE", b"fmt ", b"data") and tuple(format_chunk) == _FORMAT_CHUNK


def length_ms(path: Path) -> int:
    """Return the length of the recording at `path` in ms; 0 without samples. Raises OSError."""
    return length_ms_from_size(path.stat().st_size)


def length_ms_from_size(size: int) -> int:
    """Return the length in ms of a recording of `size` bytes."""
    return max(0, size - HEADER_BYTES) // BYTES_PER_MS


def read_samples(path: Path) -> bytes:
    """Return the samples of the recording at `path`. Raises `InvalidAudio` for any other format, and OSError."""
    return samples_of(path.read_bytes(), path)


def samples_of(content: bytes, path: Path) -> bytes:
    """Return the samples of the recording with this content. Raises `InvalidAudio` for any other format."""
    if not is_canonical(content):
        raise InvalidAudio(f"{path} is not a WAV of 8 kHz, mono, 16 bit with its data at byte {HEADER_BYTES}")
    end = len(content) - (len(content) - HEADER_BYTES) % 2
    return content[HEADER_BYTES:end]


def iterate_samples(path: Path, block_bytes: int = 1 << 20) -> Iterator[bytes]:
    """Yield the samples of the recording at `path` in blocks of whole samples.

    Raises `InvalidAudio` for any other format, and OSError.
    """
    with path.open("rb") as file:
        if not is_canonical(file.read(HEADER_BYTES)):
            raise InvalidAudio(f"{path} is not a WAV of 8 kHz, mono, 16 bit with its data at byte {HEADER_BYTES}")
        while block := file.read(block_bytes // 2 * 2):
            yield block if len(block) % 2 == 0 else block[:-1]


def write(path: Path, pcm: bytes) -> None:
    """Write the samples `pcm` as a recording, without fsync."""
    with path.open("wb") as file:
        file.write(header(len(pcm)))
        file.write(pcm)


def silence(ms: int) -> bytes:
    """Return samples of silence."""
    return bytes(ms * BYTES_PER_MS)


def loudness(paths: Iterable[Path], bars: int) -> bytes:
    """Return the loudness of recordings that are played one after the other: `bars` bytes, 255 at full scale.

    Each recording is read in blocks; none is in memory as a whole. Raises OSError.
    """
    files = [(path, max(0, path.stat().st_size - HEADER_BYTES) // 2) for path in paths]
    samples_per_bar = max(1, -(-sum(samples for _, samples in files) // bars))
    values = bytearray()
    rest = b""
    for path, samples in files:
        with path.open("rb") as file:
            file.seek(HEADER_BYTES)
            remaining = samples * 2
            while remaining and (block := file.read(min(remaining, samples_per_bar * 2 - len(rest)))):
                remaining -= len(block)
                rest += block
                if len(rest) >= samples_per_bar * 2:
                    values.append(_peak(rest))
                    rest = b""
    if rest:
        values.append(_peak(rest))
    return bytes(values).ljust(bars, b"\0")[:bars]


def _peak(samples: bytes) -> int:
    values = array("h", samples[: len(samples) // 2 * 2])
    return min(255, max(max(values, default=0), -min(values, default=0)) >> 7)
