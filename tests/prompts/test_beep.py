"""The beep before a recording."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ivr.audio import wav
from ivr.prompts import clip_file
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.clip_reader import BEEP_KEY, BEEP_MS
from ivr.prompts.prompt_cache import PromptCache
from tests.support.app_fixture import SOUNDS, FakeClock


def test_beep_is_440_hz_for_half_a_second() -> None:
    samples = np.frombuffer(clip_file.read_samples(SOUNDS / "en" / "tone" / "beep.ulaw"), "<i2").astype(float)
    audible = np.flatnonzero(np.abs(samples) > 100)
    assert 0.48 < (audible[-1] - audible[0]) / wav.SAMPLE_RATE < 0.52
    spectrum = np.abs(np.fft.rfft(samples, wav.SAMPLE_RATE))
    assert spectrum.argmax() == 440


@pytest.mark.parametrize(
    ("samples", "is_kept"),
    [
        (None, False),
        (b"", False),
        (b"\x01", False),
        (b"\x00\x20\x00\xe0" * 50, False),  # 12 ms
        (bytes(16 * 500), False),
        (b"\x40\x00\xc0\xff" * 2000, False),  # -54 dBFS
        (b"\x00\x20\x00\xe0" * 1000, True),
    ],
)
def test_own_beep_that_cannot_be_heard_is_replaced(tmp_path: Path, samples: bytes | None, is_kept: bool) -> None:
    """Whatever a site has put there, callers know when to speak."""
    (tmp_path / "en" / "tone" / "beep.wav").parent.mkdir(parents=True)
    shutil.copy(SOUNDS / "en" / "catalogue.toml", tmp_path / "en")
    own = tmp_path / "en" / "tone" / "beep.wav"
    if samples is None:
        own.mkdir()
    else:
        wav.write(own, samples)
    cache = PromptCache(tmp_path / "cache", {"en": Catalogue.load(tmp_path / "en")}, FakeClock().monotonic)
    beep = cache.render("en", (BEEP_KEY,))
    assert beep.length_ms == (250 if is_kept else BEEP_MS)
    heard = np.frombuffer(wav.read_samples(beep.path), "<i2").astype(float)
    assert np.abs(heard).max() > 1000
