"""Whether a recording contains more than silence and steady noise.

A voice changes its level all the time, a line does not: frames that are louder than the background count, where several
of them are near to each other. The background is the level of the quietest quarter of the recording. Single clicks are
too short to count. Anything that changes like a voice counts as one: music, and breath that is louder than the line,
which cannot be told from a whisper. No recording of a person who speaks may be mistaken for silence.
"""

from __future__ import annotations

import audioop
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ivr.audio import asterisk_recording, wav
from ivr.errors import InvalidAudio

FRAME_MS = 20
FRAME_BYTES = FRAME_MS * wav.BYTES_PER_MS
BLOCK_BYTES = 1000 * FRAME_BYTES
MIN_LEVEL = 26.0
"""RMS of 16-bit samples (-62 dB of full scale) below which nothing can be heard, whatever the background."""
FACTOR_ABOVE_BACKGROUND = 2**0.5
"""By how much the level of speech exceeds the background: 3 dB. The level of steady noise varies by less than 1 dB."""


def recording_contains_speech(path: Path, min_speech_ms: int) -> bool:
    """Return whether a recording of Asterisk contains speech. Raises `InvalidAudio` for another format, OSError."""
    return contains_speech(_read_levels(path), min_speech_ms)


def levels(samples: bytes) -> list[float]:
    """Return the level (RMS) of each whole frame of 20 ms, without a constant offset of the line."""
    ends = range(FRAME_BYTES, len(samples) + 1, FRAME_BYTES)
    return [_level(samples[end - FRAME_BYTES : end]) for end in ends]


def contains_speech(frame_levels: Sequence[float], min_speech_ms: int) -> bool:
    """Return whether frames louder than the background last `min_speech_ms`, in at most twice this time."""
    needed = max(1, min_speech_ms // FRAME_MS)
    if len(frame_levels) < needed:
        return False
    background = sorted(frame_levels)[len(frame_levels) // 4]
    threshold = max(MIN_LEVEL, background * FACTOR_ABOVE_BACKGROUND)
    loud = [level > threshold for level in frame_levels]
    count = 0
    for n, is_loud in enumerate(loud):
        count += is_loud - (loud[n - 2 * needed] if n >= 2 * needed else 0)
        if count >= needed:
            return True
    return False


def _level(frame: bytes) -> float:
    offset = audioop.avg(frame, 2)
    return math.sqrt(max(0, audioop.rms(frame, 2) ** 2 - offset**2))


def _read_levels(path: Path) -> list[float]:
    with asterisk_recording.open_recording(path) as (descriptor, size):
        if not wav.is_canonical(os.pread(descriptor, wav.HEADER_BYTES, 0)):
            raise InvalidAudio(f"{path} is no recording of Asterisk: it has another header")
        return [level for block in _read_blocks(descriptor, size) for level in levels(block)]


def _read_blocks(descriptor: int, size: int) -> Iterator[bytes]:
    for start in range(wav.HEADER_BYTES, size, BLOCK_BYTES):
        yield os.pread(descriptor, min(BLOCK_BYTES, size - start), start)
