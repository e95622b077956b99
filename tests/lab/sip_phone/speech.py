"""Made-up speech for the tests of the phone itself: sounds that are like nothing but themselves."""

from __future__ import annotations

import numpy as np

from tests.lab.sip_phone import ulaw
from tests.lab.sip_phone.ulaw import RATE, Samples


def speech(seed: int, ms: int, *, lead_ms: int = 0) -> Samples:
    """Syllables of filtered noise, after so much silence; the same seed begins alike whatever the length."""
    random = np.random.default_rng(seed)
    noise = np.convolve(random.normal(size=max(8, ms // 1000 + 1) * RATE), np.hanning(12), "same")[: ms * RATE // 1000]
    loudness = 0.55 + 0.45 * np.sin(np.arange(len(noise)) * 2 * np.pi * 4 / RATE)
    sound = np.clip(noise * loudness * 2500, -32000, 32000).astype(np.int16)
    return np.concatenate([silence(lead_ms), sound])


def silence(ms: int) -> Samples:
    """Nothing."""
    return np.zeros(ms * RATE // 1000, np.int16)


def through_ulaw(*parts: Samples) -> Samples:
    """One after the other, as it sounds after u-law."""
    return ulaw.decode(ulaw.encode(np.concatenate(parts)))
