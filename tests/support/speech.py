"""Samples that are taken for speech: loud for 100 ms, silent for 100 ms, and so on."""

from __future__ import annotations

from ivr.audio import wav

_SYLLABLE_MS = 100
_SYLLABLE = b"\x10\x20\xf0\xdf" * (_SYLLABLE_MS * wav.SAMPLES_PER_MS // 2)


def speech_pcm(ms: int) -> bytes:
    """Return `ms` milliseconds of samples that are taken for speech."""
    repetitions = ms // (2 * _SYLLABLE_MS) + 1
    return ((_SYLLABLE + wav.silence(_SYLLABLE_MS)) * repetitions)[: ms * wav.BYTES_PER_MS]
