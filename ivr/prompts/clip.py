"""One recording of a catalogue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording: `text` is shown, `say` is spoken. A tone has `tone_hz` and `tone_ms` instead of speech, a pause
    `silence_ms`.

    `replaces`: the clips that this recording is played for where they end a sentence; none for a clip that menus name.
    """

    key: str
    text: str
    say: str
    tone_hz: int | None = None
    tone_ms: int | None = None
    silence_ms: int | None = None
    replaces: tuple[str, ...] = ()

    @property
    def is_speech(self) -> bool:
        """Whether a voice speaks it: it is neither a tone nor a pause."""
        return self.tone_hz is None and self.silence_ms is None
