"""G.711 µ-law: the form in which the prompts are stored, half the size of 16-bit samples, and which Asterisk plays."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable

_BIAS = 0x84
_CLIP = 32_635


def encode(samples: Iterable[int]) -> bytes:
    """Return 16-bit samples in µ-law, one byte each."""
    return bytes(_encode_sample(sample) for sample in samples)


def decode(content: bytes) -> bytes:
    """Return µ-law bytes as 16-bit little-endian samples."""
    pcm = bytearray(2 * len(content))
    pcm[0::2] = content.translate(_LOW_BYTES)
    pcm[1::2] = content.translate(_HIGH_BYTES)
    return bytes(pcm)


def _encode_sample(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0F) & 0xFF


def _decode_byte(byte: int) -> int:
    byte = ~byte & 0xFF
    magnitude = (((byte & 0x0F) << 3) + _BIAS << ((byte & 0x70) >> 4)) - _BIAS
    return -magnitude if byte & 0x80 else magnitude


def _table() -> bytes:
    samples = array("h", (_decode_byte(byte) for byte in range(256)))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


_LOW_BYTES, _HIGH_BYTES = _table()[0::2], _table()[1::2]
