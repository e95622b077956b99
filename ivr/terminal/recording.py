"""What a path in a STREAM FILE stands for: samples, and for a sentence the words that are in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ivr.audio import wav
from ivr.errors import InvalidAudio


@dataclass(frozen=True, slots=True)
class Caption:
    """A stretch of a sentence."""

    text: str
    start_ms: int


@dataclass(frozen=True, slots=True)
class SoundFile:
    """A file as a person would hear it. `sentence` is None for what people recorded, and empty for silence."""

    pcm: bytes
    captions: tuple[Caption, ...] | None

    @property
    def length_ms(self) -> int:
        return len(self.pcm) // wav.BYTES_PER_MS

    @property
    def is_silence(self) -> bool:
        return self.captions == ()


def read_sound_file(stem: str) -> SoundFile | None:
    """The recording that Asterisk would play for `stem`, a path without its extension; None where there is none."""
    path = Path(stem + ".wav")
    try:
        pcm = wav.read_samples(path)
    except (OSError, InvalidAudio):
        return None
    side = path.with_suffix(".json")
    if not side.exists():
        return SoundFile(pcm, None)
    clips = json.loads(side.read_text())["clips"]
    return SoundFile(pcm, tuple(Caption(clip["text"], clip["start_ms"]) for clip in clips))
