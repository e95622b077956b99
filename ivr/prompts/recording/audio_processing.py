"""Trimming and levelling of clips: pure functions on samples.

Samples are numbers on the 16-bit scale (full scale 32,768), integers or floats, at 8 kHz. Levels are the root mean
square in dBFS: a full-scale sine is at -3 dBFS.
"""

from __future__ import annotations

import itertools
import math
import sys
from array import array
from collections.abc import Iterable, Sequence

from ivr.audio.wav import SAMPLE_RATE, SAMPLES_PER_MS

Samples = Sequence[float]

FULL_SCALE = 32_768
SILENCE_DB = -45.0
"""A frame of 5 ms below this level is silence."""
MAX_EDGE_SILENCE_MS = 30
"""The most silence at either edge of a clip. Pauses within a sentence are inserted when clips are concatenated."""
SPEECH_DB = -20.0
"""The level of every spoken clip, over its active frames."""
SPEECH_TOLERANCE_DB = 1.0
PEAK_DB = -3.0
TONE_DB = -12.0
LEAD_MS = 10
"""Silence left before the first sound, because an "f" or "th" begins below `SILENCE_DB`."""
TAIL_MS = 25
"""What is left after the last sound above `SILENCE_DB`: the ends of vowels fade below it."""

MAX_PAUSE_MS = 250
"""The most silence within a clip: longer pauses between its sentences would slow down every menu."""

_EDGE_FRAME = 5 * SAMPLES_PER_MS
_SPEECH_FRAME = 20 * SAMPLES_PER_MS
_ACTIVE_WITHIN_DB = 20.0
_FADE_MS = 5
_SILENCE_POWER = 1e-12
"""Power below which samples count as zero: far below the smallest step of a recording."""


def rms_db(samples: Samples) -> float:
    """Return the level of `samples` in dBFS; minus infinity for zeros or no samples."""
    power = sum(s * s for s in samples) / len(samples) if samples else 0.0
    return 10 * math.log10(power) - 20 * math.log10(FULL_SCALE) if power > _SILENCE_POWER else -math.inf


def speech_db(samples: Samples) -> float:
    """Return the level of speech in dBFS, over the 20 ms frames within 20 dB of the loudest: pauses do not count."""
    frames = _frame_levels_db(samples, _SPEECH_FRAME)
    powers = [10 ** (db / 10) for db in frames if db > max(frames) - _ACTIVE_WITHIN_DB]
    return 10 * math.log10(sum(powers) / len(powers)) if powers else -math.inf


def peak_db(samples: Samples) -> float:
    """Return the highest sample in dB of full scale."""
    peak = max(map(abs, samples), default=0)
    return 20 * (math.log10(peak) - math.log10(FULL_SCALE)) if peak else -math.inf


def edge_silence_ms(samples: Samples) -> tuple[int, int]:
    """Return the milliseconds of silence at the start and at the end, in steps of 5."""
    return _count_silent_frames(samples) * 5, _count_silent_frames(samples[::-1]) * 5


def trim(samples: Samples) -> Samples:
    """Return `samples` with at most `LEAD_MS` and `TAIL_MS` of silence at the edges, faded in and out."""
    start_ms, end_ms = edge_silence_ms(samples)
    first = max(0, start_ms - LEAD_MS) * SAMPLES_PER_MS
    last = len(samples) - max(0, end_ms - TAIL_MS) * SAMPLES_PER_MS
    return fade(samples[first:last])


def shorten_pauses(samples: Samples) -> Samples:
    """Return `samples` with at most `MAX_PAUSE_MS` of silence in a row; what is cut is from the middle of a pause."""
    frames = [samples[at : at + _EDGE_FRAME] for at in range(0, len(samples), _EDGE_FRAME)]
    most = MAX_PAUSE_MS // 5
    shortened: list[float] = []
    for is_silent, group in itertools.groupby(frames, key=lambda frame: rms_db(frame) < SILENCE_DB):
        run = list(group)
        if is_silent and len(run) > most:
            run = [*run[: most - most // 2], *run[len(run) - most // 2 :]]
        shortened += itertools.chain.from_iterable(run)
    return shortened


def fade(samples: Samples) -> Samples:
    """Return `samples` with ramps of 5 ms at both edges, which prevent clicks."""
    ramp = min(_FADE_MS * SAMPLES_PER_MS, len(samples) // 2)
    faded = list(samples)
    for i in range(ramp):
        faded[i] *= i / ramp
        faded[-1 - i] *= i / ramp
    return faded


def normalize_level(samples: Samples, target_db: float = SPEECH_DB, max_peak_db: float = PEAK_DB) -> Samples:
    """Return `samples` at the speech level `target_db`, with no sample above `max_peak_db`. Silence is unchanged."""
    if speech_db(samples) == -math.inf:
        return samples
    gain_db, levelled = 0.0, samples
    for _ in range(8):  # Limiting lowers the level a little; the next pass compensates for it.
        gain_db += target_db - speech_db(levelled)
        gain = 10 ** (gain_db / 20)
        levelled = _limit_peaks([s * gain for s in samples], max_peak_db)
        if abs(speech_db(levelled) - target_db) < 0.05:
            break
    return levelled


def tone(hz: int, ms: int) -> Samples:
    """Return a sine of `hz` for `ms` milliseconds at `TONE_DB`, with ramps of 5 ms."""
    amplitude = FULL_SCALE * 10 ** (TONE_DB / 20) * math.sqrt(2)
    radians_per_sample = 2 * math.pi * hz / SAMPLE_RATE
    return fade([amplitude * math.sin(radians_per_sample * i) for i in range(ms * SAMPLES_PER_MS)])


def silence(ms: int) -> Samples:
    """Return `ms` milliseconds of silence."""
    return [0.0] * (ms * SAMPLES_PER_MS)


def to_pcm(samples: Iterable[float]) -> bytes:
    """Return 16-bit little-endian samples, the format of a recording."""
    return _little_endian(to_16_bit(samples)).tobytes()


def to_16_bit(samples: Iterable[float]) -> array[int]:
    """Return rounded samples in the byte order of the machine."""
    return array("h", (max(-FULL_SCALE, min(FULL_SCALE - 1, round(s))) for s in samples))


def from_pcm(pcm: bytes) -> Samples:
    """Return the samples of a recording."""
    return _little_endian(array("h", pcm))


def _little_endian(samples: array[int]) -> array[int]:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _frame_levels_db(samples: Samples, frame: int) -> list[float]:
    return [rms_db(samples[at : at + frame]) for at in range(0, len(samples), frame)]


def _count_silent_frames(samples: Samples) -> int:
    frames = range(0, len(samples), _EDGE_FRAME)
    loud = (i for i, at in enumerate(frames) if rms_db(samples[at : at + _EDGE_FRAME]) >= SILENCE_DB)
    return next(loud, len(frames))


def _limit_peaks(samples: Samples, max_peak_db: float) -> Samples:
    """Limit all samples to `max_peak_db` without clipping: one gain per 5 ms frame, interpolated linearly."""
    max_amplitude = FULL_SCALE * 10 ** (max_peak_db / 20)
    if max(map(abs, samples)) <= max_amplitude:
        return samples
    frames = [samples[at : at + _EDGE_FRAME] for at in range(0, len(samples), _EDGE_FRAME)]
    frame_gains = [min(1.0, max_amplitude / max(1.0, *map(abs, frame))) for frame in frames]
    # At each border the lower gain of the two frames applies, so the line between two borders stays below both.
    knots = [min(pair) for pair in zip([1.0, *frame_gains], [*frame_gains, 1.0], strict=True)]
    return [
        s * (knots[i] + (knots[i + 1] - knots[i]) * n / _EDGE_FRAME)
        for i, frame in enumerate(frames)
        for n, s in enumerate(frame)
    ]
