"""Where a clip begins and ends, and how loud it is: pure functions on samples.

Samples are numbers in steps of 16 bit (full scale 32,768) at 8 kHz, whole or not. Levels are dBFS of the root mean
square: a full-scale sine is -3 dBFS.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable, Sequence

from ivr.audio.wav import SAMPLE_RATE, SAMPLES_PER_MS

Samples = Sequence[float]

FULL_SCALE = 32_768
SILENCE_DB = -45.0
"""5 ms quieter than this are silence."""
MAX_EDGE_SILENCE_MS = 30
"""No clip has more silence than this at an edge: the pauses of a sentence are made where clips are joined."""
SPEECH_DB = -20.0
"""The level of every spoken clip, over its active frames."""
SPEECH_TOLERANCE_DB = 1.0
PEAK_DB = -3.0
TONE_DB = -12.0
LEAD_MS = 10
"""Kept before the first sound: an "f" or "th" begins below `SILENCE_DB`."""
TAIL_MS = 5
"""Kept after the last. More, and the gap between joined words is heard as the stop of a "t": "six" as "eight"."""

_EDGE_FRAME = 5 * SAMPLES_PER_MS
_SPEECH_FRAME = 20 * SAMPLES_PER_MS
_ACTIVE_WITHIN_DB = 20.0
_FADE_MS = 5
_SILENCE_POWER = 1e-12
"""Power of what is no sound: a millionth of the least step, far below what a recording can hold."""


def rms_db(samples: Samples) -> float:
    """The level of `samples` in dBFS; minus infinity for none or for zeros."""
    power = sum(s * s for s in samples) / len(samples) if samples else 0.0
    return 10 * math.log10(power) - 20 * math.log10(FULL_SCALE) if power > _SILENCE_POWER else -math.inf


def speech_db(samples: Samples) -> float:
    """The level of speech: over the 20 ms frames within 20 dB of the loudest one, so that pauses do not count."""
    frames = _frame_levels_db(samples, _SPEECH_FRAME)
    powers = [10 ** (db / 10) for db in frames if db > max(frames) - _ACTIVE_WITHIN_DB]
    return 10 * math.log10(sum(powers) / len(powers)) if powers else -math.inf


def peak_db(samples: Samples) -> float:
    """The highest sample in dB of full scale."""
    peak = max(map(abs, samples), default=0)
    return 20 * (math.log10(peak) - math.log10(FULL_SCALE)) if peak else -math.inf


def edge_silence_ms(samples: Samples) -> tuple[int, int]:
    """Milliseconds of silence at the start and at the end, in steps of 5."""
    return _count_silent_frames(samples) * 5, _count_silent_frames(samples[::-1]) * 5


def trim(samples: Samples) -> Samples:
    """`samples` without the silence at its edges, but for `LEAD_MS` and `TAIL_MS` at most, faded in and out."""
    start_ms, end_ms = edge_silence_ms(samples)
    first = max(0, start_ms - LEAD_MS) * SAMPLES_PER_MS
    last = len(samples) - max(0, end_ms - TAIL_MS) * SAMPLES_PER_MS
    return fade(samples[first:last])


def fade(samples: Samples) -> Samples:
    """`samples` with ramps of 5 ms at both edges, so that no edge clicks."""
    ramp = min(_FADE_MS * SAMPLES_PER_MS, len(samples) // 2)
    faded = list(samples)
    for i in range(ramp):
        faded[i] *= i / ramp
        faded[-1 - i] *= i / ramp
    return faded


def normalize_level(samples: Samples, target_db: float = SPEECH_DB, max_peak_db: float = PEAK_DB) -> Samples:
    """`samples` at the speech level `target_db`, no sample above `peak_at_db`. Silence stays silence."""
    if speech_db(samples) == -math.inf:
        return samples
    gain_db, shaped = 0.0, samples
    for _ in range(8):  # each limiting takes a little of the level, which the next round makes up for
        gain_db += target_db - speech_db(shaped)
        gain = 10 ** (gain_db / 20)
        shaped = _limit_peaks([s * gain for s in samples], max_peak_db)
        if abs(speech_db(shaped) - target_db) < 0.05:
            break
    return shaped


def tone(hz: int, ms: int) -> Samples:
    """A sine at `TONE_DB` with ramps of 5 ms."""
    amplitude = FULL_SCALE * 10 ** (TONE_DB / 20) * math.sqrt(2)
    turn = 2 * math.pi * hz / SAMPLE_RATE
    return fade([amplitude * math.sin(turn * i) for i in range(ms * SAMPLES_PER_MS)])


def to_pcm(samples: Iterable[float]) -> bytes:
    """16-bit little-endian samples, as a recording holds them."""
    whole = array("h", (max(-FULL_SCALE, min(FULL_SCALE - 1, round(s))) for s in samples))
    return _little_endian(whole).tobytes()


def from_pcm(pcm: bytes) -> Samples:
    """The samples of a recording."""
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
    """No sample above `peak_at_db`: a gain for each 5 ms, straight lines between, so that nothing is clipped."""
    highest = FULL_SCALE * 10 ** (max_peak_db / 20)
    if max(map(abs, samples)) <= highest:
        return samples
    frames = [samples[at : at + _EDGE_FRAME] for at in range(0, len(samples), _EDGE_FRAME)]
    needed = [min(1.0, highest / max(1.0, *map(abs, frame))) for frame in frames]
    # A line between the lower gains of neighbours never rises above what the frame between them needs.
    knots = [min(pair) for pair in zip([1.0, *needed], [*needed, 1.0], strict=True)]
    return [
        s * (knots[i] + (knots[i + 1] - knots[i]) * n / _EDGE_FRAME)
        for i, frame in enumerate(frames)
        for n, s in enumerate(frame)
    ]
