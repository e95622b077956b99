"""G.711 u-law, and what an array of samples is here: int16 at 8000 samples/s."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.int16]
RATE = 8000
"""Samples per second."""
FRAME = 160
"""Samples in one packet: 20 ms."""
SILENCE = b"\xff" * FRAME
"""One frame of u-law silence."""
_BIAS = 0x84
_CLIP_LEVEL = 32635


def decode(payload: bytes) -> Samples:
    """The samples of u-law bytes."""
    return _DECODED[np.frombuffer(payload, np.uint8)]


def encode(samples: Samples) -> bytes:
    """The u-law bytes of samples, the last frame filled up with nothing."""
    wide = samples.astype(np.int32)
    magnitude = np.minimum(np.abs(wide), _CLIP_LEVEL) + _BIAS
    exponent = np.frexp(magnitude)[1] - 8  # the highest bit of a biased magnitude is bit 7..14
    code = np.where(wide < 0, 0x80, 0) | exponent << 4 | magnitude >> exponent + 3 & 0x0F
    return bytes((~code & 0xFF).astype(np.uint8).tobytes())


def _every_code() -> Samples:
    codes = ~np.arange(256, dtype=np.uint8)
    magnitude = (((codes & 0x0F).astype(np.int32) << 3) + _BIAS << ((codes & 0x70) >> 4)) - _BIAS
    return np.where(codes & 0x80, -magnitude, magnitude).astype(np.int16)


_DECODED = _every_code()
