"""The beep before a recording."""

from __future__ import annotations

import numpy as np

from ivr.audio import wav
from ivr.prompts import clip_file
from tests.support.app_fixture import SOUNDS


def test_beep_is_440_hz_for_half_a_second() -> None:
    samples = np.frombuffer(clip_file.read_samples(SOUNDS / "en" / "tone" / "beep.ulaw"), "<i2").astype(float)
    audible = np.flatnonzero(np.abs(samples) > 100)
    assert 0.48 < (audible[-1] - audible[0]) / wav.SAMPLE_RATE < 0.52
    spectrum = np.abs(np.fft.rfft(samples, wav.SAMPLE_RATE))
    assert spectrum.argmax() == 440
