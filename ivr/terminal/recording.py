"""The sound files that STREAM FILE plays: samples, and the texts of a prompt with their positions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ivr.audio import wav
from ivr.errors import InvalidAudio


@dataclass(frozen=True, slots=True)
class Caption:
    """The text of one clip of a prompt, and where it starts."""

    text: str
    start_ms: int


@dataclass(frozen=True, slots=True)
class SoundFile:
    """A sound file. `captions` is None for a recording of a person, and empty for silence."""

    pcm: bytes
    captions: tuple[Caption, ...] | None

    @property
    def length_ms(self) -> int:
        return len(self.pcm) // wav.BYTES_PER_MS

    @property
    def is_silence(self) -> bool:
        return self.captions == ()


def read_sound_file(stem: str) -> SoundFile | None:
    """Read the file that Asterisk would play for `stem`, a path without extension. None if there is none."""
    path = Path(stem + ".wav")
    try:
        pcm = wav.read_samples(path)
    except (OSError, InvalidAudio):
        return None
    caption_file = path.with_suffix(".json")
    if not caption_file.exists():
        return SoundFile(pcm, None)
    clips = json.loads(caption_file.read_text())["clips"]
    return SoundFile(pcm, tuple(Caption(clip["text"], clip["start_ms"]) for clip in clips))
