"""Prompts that are only short tones: for tests that need files to play, not voices to understand."""

from __future__ import annotations

import math
import shutil
import struct
from pathlib import Path

from ivr.audio import wav
from ivr.prompts.catalogue import Catalogue
from tests.support.app_fixture import SOUNDS

MS = 60


def write_tone_prompts(folder: Path) -> Path:
    """Make `folder/en` with the real catalogue and a tone of 60 ms, each of its own pitch, for every key of it."""
    english = folder / "en"
    english.mkdir(parents=True)
    shutil.copy(SOUNDS / "en" / "catalogue.toml", english)
    catalogue = Catalogue.load(english)
    for n, key in enumerate(sorted(catalogue.keys())):
        path = english / f"{key}.wav"
        path.parent.mkdir(exist_ok=True)
        wav.write(path, _tone_samples(300 + 7 * n))
    return folder


def _tone_samples(hz: int) -> bytes:
    count = MS * wav.SAMPLES_PER_MS
    return struct.pack(f"<{count}h", *(int(8000 * math.sin(2 * math.pi * hz * n / 8000)) for n in range(count)))
