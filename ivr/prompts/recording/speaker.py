"""The interface of a synthesiser with one voice."""

from __future__ import annotations

from typing import Protocol

from ivr.prompts.recording.audio_processing import Samples


class Speaker(Protocol):
    """Speaks texts in one voice. The same text gives the same samples on one machine."""

    @property
    def name(self) -> str:
        """The synthesiser and its voice, as in `ivr sounds build --voice`."""

    @property
    def inputs(self) -> dict[str, object]:
        """What affects the samples beside the text: model, voice, speed. Known without the model."""

    def require(self) -> None:
        """Raise `SoundsError` with the remedy unless all that `speak` needs is installed."""

    def pronounce(self, text: str) -> str:
        """Return the phonemes that `speak` uses for `text`; "" if the synthesiser has none of its own."""

    def speak(self, text: str) -> Samples:
        """Return the samples of `text` in the telephone band, neither trimmed nor levelled. Raises `SoundsError`."""
