"""Concatenation of recordings to one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ivr.audio import wav

EMPTY_MS = 200
"""Length of what is played in place of a sentence without any clip."""
PUNCTUATION_PAUSE_MS = {".": 250, "?": 250, ",": 60}
"""The pause after a clip whose text ends in this character. They are short, because pauses slow down every menu."""
WORD_PAUSE_MS = 20
"""The pause after any other clip."""


@dataclass(frozen=True, slots=True)
class ClipSpan:
    """One clip within a sentence: its start and end in milliseconds."""

    key: str
    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """The samples of a sentence, and the position of each clip in it."""

    pcm: bytes
    spans: tuple[ClipSpan, ...]

    @property
    def text(self) -> str:
        """The text of the whole sentence."""
        return " ".join(span.text for span in self.spans)

    @property
    def length_ms(self) -> int:
        return len(self.pcm) // wav.BYTES_PER_MS


@dataclass(frozen=True, slots=True)
class ClipSource:
    """One clip to concatenate: its key, its text, its samples."""

    key: str
    text: str
    pcm: bytes


def concatenate(sources: Sequence[ClipSource]) -> RenderedPrompt:
    """Concatenate clips; a short pause if there are none."""
    if not sources:
        return RenderedPrompt(wav.silence(EMPTY_MS), ())
    pcm = bytearray()
    spans: list[ClipSpan] = []
    for source in sources:
        if spans:
            pcm += wav.silence(PUNCTUATION_PAUSE_MS.get(spans[-1].text[-1:], WORD_PAUSE_MS))
        start_ms = len(pcm) // wav.BYTES_PER_MS
        pcm += source.pcm
        spans.append(ClipSpan(source.key, source.text, start_ms, len(pcm) // wav.BYTES_PER_MS))
    return RenderedPrompt(bytes(pcm), tuple(spans))
