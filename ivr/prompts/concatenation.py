"""Several clips become one file: the samples one after another, with pauses as a person would make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ivr.audio import wav

PUNCTUATION_PAUSE_MS = {".": 250, "?": 250, ",": 60}
"""After a clip whose text ends in this sign. The longer the pause, the slower the menu: these are what is needed."""
WORD_PAUSE_MS = 20


@dataclass(frozen=True, slots=True)
class ClipSpan:
    """One clip within a sentence."""

    key: str
    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """The samples of a sentence and where each clip stands in it."""

    pcm: bytes
    spans: tuple[ClipSpan, ...]

    @property
    def text(self) -> str:
        """What is heard, in words."""
        return " ".join(span.text for span in self.spans)

    @property
    def length_ms(self) -> int:
        return len(self.pcm) // wav.BYTES_PER_MS


@dataclass(frozen=True, slots=True)
class ClipSource:
    """One clip to join: its key, its text, its recording."""

    key: str
    text: str
    path: Path


def concatenate(sources: Sequence[ClipSource]) -> RenderedPrompt:
    """Join clips. Raises `InvalidAudio` or OSError for a recording that cannot be read."""
    pcm = bytearray()
    spans: list[ClipSpan] = []
    for part in sources:
        if spans:
            pcm += wav.silence(PUNCTUATION_PAUSE_MS.get(spans[-1].text[-1:], WORD_PAUSE_MS))
        start_ms = len(pcm) // wav.BYTES_PER_MS
        pcm += wav.read_samples(part.path)
        spans.append(ClipSpan(part.key, part.text, start_ms, len(pcm) // wav.BYTES_PER_MS))
    return RenderedPrompt(bytes(pcm), tuple(spans))
