"""A sound file that a call can play."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sound:
    """An 8 kHz mono 16-bit WAV file at a path that Asterisk can read."""

    path: Path
    length_ms: int
    text: str
    """The words of the sound, for the journal of the call."""
