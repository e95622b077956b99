"""One file that a call can play."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sound:
    """8 kHz mono 16-bit WAV at a path that Asterisk can read."""

    path: Path
    length_ms: int
    text: str
    """What is heard, in words, for the journal of the call."""
